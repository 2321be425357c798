from datetime import datetime, timedelta

import pytest

from streams.domain.change import Scope
from streams.domain.pairs import Stage
from streams.domain.plan import DEFAULT, WindowPlan
from streams.domain.proof import Marker, Proof
from streams.domain.windows import Zone, from_microseconds, to_microseconds
from streams.publish.closing import Closing
from streams.store.database import Pool
from streams.store.epoch import Epoch, begin_epoch
from streams.store.known_windows import know_windows
from streams.store.timezones import plan_windows, recorded_plan
from tests.integration.closing.conftest import PARTITIONS, SALES, START, stage_id

TOKYO = "cccccccc-0000-4000-8000-00000000000c"
TENANTS = [SALES.tenant_id, TOKYO]
HOUR = timedelta(hours=1)


async def planned(pool: Pool, zone: str, own: dict[str, str], now: datetime = START) -> WindowPlan:
    async with pool.acquire() as connection:
        planned = await plan_windows(connection, ["day"], zone, own, now)
        await planned.note(connection)
        assert await recorded_plan(connection, ["day"]) == planned.plan
        return planned.plan


async def closed_days(pool: Pool, plan: WindowPlan, now: datetime) -> list[tuple[str, datetime, datetime]]:
    """Close everything due, for one pipeline of each tenant; return (tenant, start, end) of all there is."""
    epoch = Epoch("data", "topic", PARTITIONS, plan)
    closing = Closing(pool, epoch, timedelta(0), "worker")
    scopes = [Scope(tenant, SALES.pipeline_id) for tenant in TENANTS]
    stages = [Stage(scope, place, stage_id(scope, place), "stage") for scope in scopes for place in range(2)]
    await begin_epoch(pool, epoch)
    due = await closing.due(to_microseconds(now))
    await closing.publish(Proof(Marker(1, 1, "1:1:", "7", 1, stages), now, {}, [], [], 0.1, 0.1), due)
    rows = await pool.fetch(
        "select tenant_id::text, window_start, window_end from funnelproof.window_run order by 3, 1"
    )
    return [tuple(row) for row in rows]


async def test_each_tenant_s_days_close_when_they_end_where_it_is(pool: Pool) -> None:
    plan = await planned(pool, "UTC", {TOKYO: "Asia/Tokyo"})
    midnight = START.replace(hour=0)
    tokyo = (TOKYO, midnight - 9 * HOUR, midnight + 15 * HOUR)
    other = (TENANTS[0], midnight, midnight + 24 * HOUR)
    assert await closed_days(pool, plan, midnight + 16 * HOUR) == [tokyo]
    assert await closed_days(pool, plan, midnight + 25 * HOUR) == [tokyo, other]
    assert await closed_days(pool, plan, midnight + 26 * HOUR) == [tokyo, other]


async def test_the_live_view_shows_each_tenant_the_day_where_it_is(pool: Pool) -> None:
    plan = await planned(pool, "UTC", {TOKYO: "Asia/Tokyo"})
    await closed_days(pool, plan, START)
    rows = await pool.fetch(
        "select tenant_id::text, window_start from dyno_crm.stage_conversion_live order by 1"
    )
    midnight = START.replace(hour=0)
    assert [tuple(row) for row in rows] == [(TENANTS[0], midnight), (TOKYO, midnight - 9 * HOUR)]


async def test_a_changed_timezone_holds_from_the_next_window_on(pool: Pool) -> None:
    await closed_days(pool, await planned(pool, "UTC", {}), START)
    changed = await planned(pool, "America/New_York", {TOKYO: "Asia/Tokyo"}, START + HOUR)
    midnight = START.replace(hour=0) + 24 * HOUR
    days = [one for one in await closed_days(pool, changed, midnight + 30 * HOUR) if one[0] == TENANTS[0]]
    assert days == [
        (TENANTS[0], midnight - 24 * HOUR, midnight),
        (TENANTS[0], midnight, midnight + 5 * HOUR),
        (TENANTS[0], midnight + 5 * HOUR, midnight + 29 * HOUR),
    ]
    zones = await pool.fetch(
        "select parameters ->> 'timezone' from dyno_crm.report_run where tenant_id = $1 order by period_start",
        TENANTS[0],
    )
    assert [zone for (zone,) in zones] == ["UTC", "America/New_York", "America/New_York"]


async def test_a_window_that_another_timezone_has_done_away_with_is_not_live_for_ever(pool: Pool) -> None:
    """A deal entered it ahead of time, so that it was known when the timezone was changed."""
    before = await planned(pool, "UTC", {})
    await closed_days(pool, before, START)
    midnight = START.replace(hour=0) + 48 * HOUR
    ahead = before.kind_of("", "day").window_at(to_microseconds(midnight))
    async with pool.acquire() as connection:
        await know_windows(connection, [(ahead, DEFAULT)])
    changed = await planned(pool, "America/New_York", {}, START + HOUR)
    await closed_days(pool, changed, midnight + 30 * HOUR)
    live = await pool.fetch("select distinct window_start from dyno_crm.stage_conversion_live")
    assert [row[0] for row in live] == [midnight + 29 * HOUR]


@pytest.mark.parametrize("now", [START, START - 5 * HOUR])
async def test_timezones_are_noted_when_they_change_and_only_then(pool: Pool, now: datetime) -> None:
    await planned(pool, "UTC", {TOKYO: "Asia/Tokyo"})
    await planned(pool, "UTC", {TOKYO: "Asia/Tokyo"}, START + HOUR)
    async with pool.acquire() as connection:
        assert await recorded_plan(connection, ["day"]) == await planned(pool, "UTC", {TOKYO: "Asia/Tokyo"})
    first = to_microseconds(now)
    plan = await planned(pool, "Europe/Berlin", {}, now)
    assert plan.zones == (Zone(None, "UTC"), Zone(first, "Europe/Berlin"))
    assert plan.tenants == {TOKYO: (Zone(None, "Asia/Tokyo"), Zone(first, "Europe/Berlin"))}
    # A clock that went back cannot bring the changes out of order.
    again = await planned(pool, "UTC", {}, now)
    assert again.zones[1:] == (Zone(first, "Europe/Berlin"), Zone(first + 1, "UTC"))


async def test_a_tenant_keeps_its_own_timezone_when_that_of_the_others_becomes_another(pool: Pool) -> None:
    await planned(pool, "Asia/Tokyo", {})
    await planned(pool, "Asia/Tokyo", {TOKYO: "Asia/Tokyo"}, START)
    plan = await planned(pool, "UTC", {TOKYO: "Asia/Tokyo"}, START + HOUR)
    noon = to_microseconds(START + 48 * HOUR)
    assert from_microseconds(plan.kind_of(TOKYO, "day").window_at(noon).start).hour == 15
    assert from_microseconds(plan.kind_of(TENANTS[0], "day").window_at(noon).start).hour == 0
