"""Which timezones calendar windows have had since when: what settings say now, after what they said before."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from streams.domain.plan import WindowPlan, Zones
from streams.domain.windows import Zone, from_microseconds, to_microseconds
from streams.facts.database import Connection
from streams.resources import sql


async def plan_windows(
    facts: Connection, names: Sequence[str], timezone: str, tenants: Mapping[str, str], now: datetime
) -> WindowPlan:
    """Return the plan of windows, after noting the timezones that differ from what was noted before, since `now`.

    `now` is the source's clock: another timezone holds for windows that start later.
    """
    async with facts.transaction():
        await facts.execute(sql("queries/timezone_lock"))
        zones, own = await _noted(facts)
        instant = to_microseconds(now)
        # A tenant's own timezones begin with what it had as one of the many.
        rows: list[tuple[str | None, Zone]] = [
            (tenant, zone) for tenant in tenants.keys() - own.keys() for zone in zones
        ]
        wanted = {tenant: tenants.get(tenant, timezone) for tenant in {*own, *tenants}}
        for tenant, zone in [(None, timezone), *wanted.items()]:
            before = zones if tenant is None else own.get(tenant, zones)
            if not before:
                rows.append((tenant, Zone(None, zone)))
            elif before[-1].timezone != zone:
                rows.append((tenant, Zone(max(instant, (before[-1].since or 0) + 1), zone)))
        await facts.execute(
            sql("queries/timezone_note"),
            [tenant for tenant, _ in rows],
            [None if zone.since is None else from_microseconds(zone.since) for _, zone in rows],
            [zone.timezone for _, zone in rows],
        )
        plan = await recorded_plan(facts, names)
        await facts.execute(
            sql("queries/timezone_tilings"),
            list(plan.tenants),
            [plan.tiling_of(tenant) for tenant in plan.tenants],
        )
    return plan


async def recorded_plan(facts: Connection, names: Sequence[str]) -> WindowPlan:
    """Return the plan with the timezones that workers have noted; in UTC before the first of them."""
    zones, own = await _noted(facts)
    return WindowPlan(tuple(names), zones or (Zone(None, "UTC"),), own)


async def _noted(facts: Connection) -> tuple[Zones, dict[str, Zones]]:
    found: dict[str | None, list[Zone]] = {}
    for row in await facts.fetch(sql("queries/timezones")):
        since = None if row["since"] is None else to_microseconds(row["since"])
        found.setdefault(row["tenant_id"], []).append(Zone(since, row["timezone"]))
    zones = tuple(found.pop(None, ()))
    return zones, {tenant: tuple(own) for tenant, own in found.items() if tenant}
