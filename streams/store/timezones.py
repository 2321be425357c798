"""The timezones of calendar windows over time: the former settings, then the present setting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.domain.plan import WindowPlan, Zones
from streams.domain.windows import Zone, from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import Connection


@dataclass(frozen=True)
class PlannedWindows:
    """A plan, and the timezones to note for the plan, each as (tenant, timezone).

    The tenant None stands for every tenant without a timezone of its own.
    """

    plan: WindowPlan
    notes: tuple[tuple[str | None, Zone], ...]

    async def note(self, facts: Connection) -> None:
        """Note the new timezones, and the tenants that have windows of their own."""
        await facts.execute(
            sql("queries/store/timezone_note"),
            [tenant for tenant, _ in self.notes],
            [None if zone.since is None else from_microseconds(zone.since) for _, zone in self.notes],
            [zone.timezone for _, zone in self.notes],
        )
        tenants = list(self.plan.tenants)
        tilings = [self.plan.tiling_of(tenant) for tenant in tenants]
        await facts.execute(sql("queries/store/timezone_tilings"), tenants, tilings)


async def plan_windows(
    facts: Connection, names: Sequence[str], timezone: str, tenants: Mapping[str, str], now: datetime
) -> PlannedWindows:
    """Return the plan of windows with the given timezones, after the timezones noted before.

    A timezone that differs from the last noted timezone holds for windows that start after `now`, the source's clock.
    """
    zones, own = await _noted(facts)
    instant = to_microseconds(now)
    # A tenant's first own timezone comes after the common timezones, which the tenant had until now.
    notes: list[tuple[str | None, Zone]] = [
        (tenant, zone) for tenant in tenants.keys() - own.keys() for zone in zones
    ]
    wanted = {tenant: tenants.get(tenant, timezone) for tenant in {*own, *tenants}}
    for tenant, zone in [(None, timezone), *wanted.items()]:
        before = zones if tenant is None else own.get(tenant, zones)
        if not before:
            notes.append((tenant, Zone(None, zone)))
        elif before[-1].timezone != zone:
            notes.append((tenant, Zone(max(instant, (before[-1].since or 0) + 1), zone)))
    planned = {tenant: (*own.get(tenant, ()), *_of(notes, tenant)) for tenant in wanted}
    return PlannedWindows(WindowPlan(tuple(names), (*zones, *_of(notes, None)), planned), tuple(notes))


async def recorded_plan(facts: Connection, names: Sequence[str]) -> WindowPlan:
    """Return the plan with the timezones noted by workers; UTC before the first worker."""
    zones, own = await _noted(facts)
    return WindowPlan(tuple(names), zones or (Zone(None, "UTC"),), own)


async def _noted(facts: Connection) -> tuple[Zones, dict[str, Zones]]:
    found: dict[str | None, list[Zone]] = {}
    for row in await facts.fetch(sql("queries/store/timezones")):
        since = None if row["since"] is None else to_microseconds(row["since"])
        found.setdefault(row["tenant_id"], []).append(Zone(since, row["timezone"]))
    zones = tuple(found.pop(None, ()))
    return zones, {tenant: tuple(own) for tenant, own in found.items() if tenant}


def _of(notes: Sequence[tuple[str | None, Zone]], tenant: str | None) -> Zones:
    return tuple(zone for other, zone in notes if other == tenant)
