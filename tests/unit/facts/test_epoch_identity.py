"""What makes counts others than those that are kept makes another epoch; nothing else does."""

import zoneinfo
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streams.domain import plan as plans
from streams.domain.plan import plan_for
from streams.store import epoch as epochs
from streams.store.epoch import Epoch
from streams.store.held_epoch import differences

TENANT = "6a0b4b4e-6a0a-4c0e-8d6d-0f5b6f9f7f01"
EPOCH = Epoch("crm.deals", "id of the topic", 8, plan_for(("hour", "day"), "UTC"))


@pytest.mark.parametrize(
    "change",
    [
        lambda epoch: replace(epoch, topic_id="id of another topic of that name"),
        lambda epoch: replace(epoch, partitions=9),
        lambda epoch: replace(epoch, plan=plan_for(("hour", "week"), "UTC")),
        lambda epoch: replace(epoch, plan=plan_for(("hour",), "UTC")),
        lambda epoch: replace(epoch, plan=plan_for(("hour", "day"), "Europe/Berlin")),
        lambda epoch: replace(epoch, plan=plan_for(("hour", "day"), "UTC", {TENANT: "Asia/Tokyo"})),
    ],
)
def test_another_topic_partition_count_or_other_windows_are_another_epoch(
    change: Callable[[Epoch], Epoch],
) -> None:
    assert change(EPOCH).id != EPOCH.id


def test_another_meaning_of_the_counts_is_another_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    former = EPOCH.id
    monkeypatch.setattr(epochs, "STATE_FORMAT", epochs.STATE_FORMAT + 1)
    assert EPOCH.id != former


def test_the_same_topic_and_windows_are_the_same_epoch_for_every_worker_and_restart() -> None:
    assert replace(EPOCH, plan=plan_for(("hour", "day"), "UTC")).id == EPOCH.id
    assert str(EPOCH.id) == "eec376aa-406f-5da3-870b-12a22abe39fb"


def test_calendar_windows_of_a_timezone_with_other_clock_changes_are_another_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    berlin = replace(EPOCH, plan=plan_for(("hour", "day"), "Europe/Berlin"))
    former = berlin.id
    monkeypatch.setattr(plans, "offsets_digest", lambda name: f"others of {name}")
    assert replace(berlin, plan=plan_for(("hour", "day"), "Europe/Berlin")).id != former


def test_a_worker_that_is_refused_for_its_timezones_is_told_both_versions_and_the_zone() -> None:
    here = replace(EPOCH, plan=plan_for(("day",), "Europe/Berlin", {TENANT: "Asia/Tokyo"}))
    there = {
        "windows": ["day"],
        "timezone": "Europe/Berlin",
        "tenant_timezones": f"{TENANT}=Asia/Tokyo",
        "topic": here.topic,
        "partitions": here.partitions,
        "topic_id": here.topic_id,
        "state_format": epochs.STATE_FORMAT,
        "boundaries": here.plan.boundaries,
        "tzdata": "2022e",
    }
    assert differences(there, here) == []
    there["boundaries"] = here.plan.boundaries.replace("Europe/Berlin=", "Europe/Berlin=0")
    (told,) = differences(there, here)
    assert told == (
        "windows in Europe/Berlin have other boundaries by tzdata 2022e there and tzdata "
        f"{epochs.tzdata_version()} here"
    )


def test_the_version_of_the_timezones_is_read_where_python_reads_the_timezones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(first), str(second)))
    second.mkdir()
    (second / "tzdata.zi").write_text("# version 2022f\n# This zic input file\n", "utf-8")
    assert epochs.tzdata_version() == "2022f"
    first.mkdir()
    (first / "UTC").write_bytes(b"")
    assert epochs.tzdata_version() == "unknown"
