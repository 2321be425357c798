from datetime import UTC, datetime

from streams.domain.plan import WindowPlan, plan_for
from streams.domain.windows import Window, to_microseconds

TOKYO, OTHER = "tenant in Tokyo", "any other tenant"
PLAN = plan_for(("day", "1m"), "Europe/Berlin", {TOKYO: "Asia/Tokyo"})


def at(text: str) -> int:
    return to_microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


def days(plan: WindowPlan, after: str, until: str, limit: int = 100) -> list[int]:
    ending = plan.ending_in({name: at(after) for name in plan.names}, at(until), limit)
    return [window.end for window in ending if window.name == "day"]


def test_each_tenant_has_windows_in_its_own_timezone() -> None:
    noon = at("2026-11-23T12:00")
    tokyo, other = PLAN.kind_of(TOKYO, "day").window_at(noon), PLAN.kind_of(OTHER, "day").window_at(noon)
    assert tokyo == Window("day", at("2026-11-22T15:00"), at("2026-11-23T15:00"))
    assert other == Window("day", at("2026-11-22T23:00"), at("2026-11-23T23:00"))
    assert PLAN.has(TOKYO, tokyo)
    assert not PLAN.has(TOKYO, other)


def test_windows_of_all_timezones_fall_due_in_the_order_of_their_ends() -> None:
    assert days(PLAN, "2026-11-23T00:00", "2026-11-24T16:00") == [
        at("2026-11-23T15:00"),
        at("2026-11-23T23:00"),
        at("2026-11-24T15:00"),
    ]


def test_windows_that_tenants_share_fall_due_once() -> None:
    plan = plan_for(("day",), "Europe/Berlin", {"a": "Europe/Paris", "b": "Europe/Berlin"})
    assert days(plan, "2026-11-23T00:00", "2026-11-24T00:00") == [at("2026-11-23T23:00")]


def test_none_is_passed_over_where_only_some_are_taken() -> None:
    after, found = "2026-11-01T00:00", []
    while ends := days(PLAN, after, "2026-11-20T00:00", limit=3):
        found += ends
        after = datetime.fromtimestamp(ends[-1] / 1_000_000, UTC).replace(tzinfo=None).isoformat()
    assert found == days(PLAN, "2026-11-01T00:00", "2026-11-20T00:00")


def test_equal_plans_have_equal_descriptions_and_others_do_not() -> None:
    again = plan_for(("day", "1m"), "Europe/Berlin", {TOKYO: "Asia/Tokyo"})
    assert again.description == PLAN.description
    others = [
        plan_for(("day",), "Europe/Berlin", {TOKYO: "Asia/Tokyo"}),
        plan_for(("day", "1m"), "UTC", {TOKYO: "Asia/Tokyo"}),
        plan_for(("day", "1m"), "Europe/Berlin", {TOKYO: "Asia/Seoul"}),
        plan_for(("day", "1m"), "Europe/Berlin", {OTHER: "Asia/Tokyo"}),
        plan_for(("day", "1m"), "Europe/Berlin"),
    ]
    assert PLAN.description not in {plan.description for plan in others}
    assert len({plan.description for plan in others}) == len(others)
