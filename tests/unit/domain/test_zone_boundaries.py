"""What windows are belongs to an epoch: timezones of one name that differ between two machines are told apart."""

import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.domain.plan import WindowPlan, plan_for
from streams.domain.timezone import offsets_digest, zone_of
from streams.domain.windows import Window, Zone, to_microseconds
from tests.fakes.zone_files import zone_file

HERE = "Middle/Earth"
TENANT = "a tenant of its own"
Machine = Callable[..., None]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Have a machine whose only zone file changes its offset as told; call again for another machine."""
    path = zoneinfo.TZPATH

    def begin(*changes: tuple[datetime, int]) -> None:
        (tmp_path / "Middle").mkdir(exist_ok=True)
        (tmp_path / HERE).write_bytes(zone_file(*changes))
        for cached in (zone_of, offsets_digest):
            cached.cache_clear()
        zoneinfo.ZoneInfo.clear_cache()

    zoneinfo.reset_tzpath([str(tmp_path)])
    yield begin
    zoneinfo.reset_tzpath(path)
    begin()


def day(year: int, month: int = 3, day: int = 1, hour: int = 1) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def plans(name: str = "day") -> list[WindowPlan]:
    """The zone is that of all tenants, of one, or was in use once."""
    return [
        plan_for((name,), HERE),
        plan_for((name,), "UTC", {TENANT: HERE}),
        WindowPlan((name,), (Zone(None, HERE), Zone(0, "UTC"))),
    ]


def test_a_change_of_the_clocks_in_any_year_in_use_makes_another_plan(machine: Machine) -> None:
    found = set()
    for changes in (
        [],
        [(day(2031), 7200)],
        [(day(2031), 0)],
        [(day(2031, hour=2), 7200)],
        [(day(2059), 7200)],
    ):
        machine(*changes)
        found |= {plan.description for plan in plans()}
    assert len(found) == 5 * 3


def test_machines_that_agree_on_the_years_in_use_have_equal_plans(machine: Machine) -> None:
    machine((day(2010), 7200))
    former = [plan.description for plan in plans()]
    machine((day(1990), 0), (day(1991), 3600), (day(2010), 7200), (day(2062), 0))
    assert [plan.description for plan in plans()] == former
    assert f"{HERE}={offsets_digest(HERE)}" in former[0]


def test_two_changes_within_a_few_days_are_both_seen(machine: Machine) -> None:
    machine((day(2031), 7200), (day(2031, day=3), 3600))
    former = offsets_digest(HERE)
    machine((day(2031), 7200), (day(2031, day=4), 3600))
    assert offsets_digest(HERE) != former


def test_windows_of_fixed_lengths_and_timezones_equal_to_utc_need_no_boundaries(machine: Machine) -> None:
    machine((day(2031), 7200))
    assert [plan.boundaries for plan in plans("12h")] == ["", "", ""]
    assert offsets_digest("Etc/UTC") == offsets_digest("GMT") == ""


def test_a_zone_file_that_is_replaced_moves_no_window_of_a_running_worker(
    machine: Machine, tmp_path: Path
) -> None:
    machine()
    before = plan_for(("day",), HERE).kind_of("", "day").window_at(to_microseconds(day(2032)))
    (tmp_path / HERE).write_bytes(zone_file((day(2031), 7200)))
    zoneinfo.ZoneInfo.clear_cache()
    assert plan_for(("day",), HERE).kind_of("", "day").window_at(to_microseconds(day(2032))) == before


def test_a_window_of_former_boundaries_is_none_of_the_plan(machine: Machine) -> None:
    machine()
    at = to_microseconds(day(2032))
    former = plan_for(("day",), HERE).kind_of("", "day").window_at(at)
    machine((day(2031), 7200))
    plan = plan_for(("day",), HERE)
    assert not plan.has("", former)
    assert plan.has("", plan.kind_of("", "day").window_at(at))
    assert plan.has(
        "", Window("day", to_microseconds(day(2030, hour=23)), to_microseconds(day(2030, day=2, hour=23)))
    )
