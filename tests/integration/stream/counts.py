"""Streamed counts beside those of the canonical SQL over the same rows."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.domain.change import Scope
from streams.domain.pairs import StagePairs
from streams.domain.windows import WindowKind, from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import OwnConnection

Counts = dict[tuple[UUID, UUID], tuple[int, int]]
"""By pair of stages: how many deals entered the first, and converted to the second."""

STREAMED = """
select tenant_id, pipeline_id, window_name, window_start, from_stage_id, to_stage_id,
    entered_count, converted_count
from dyno_crm.stage_conversion_live
union all
select tenant_id, pipeline_id, window_name, window_start, from_stage_id, to_stage_id,
    entered_count, converted_count
from dyno_crm.stage_conversion_current
"""
ENTRIES = """
select distinct tenant_id, pipeline_id, entered_at from dyno_crm.deal_pipeline_stage_state
where isfinite(entered_at)
"""


@dataclass(frozen=True)
class Place:
    """One window of one pipeline."""

    tenant: UUID
    pipeline: UUID
    kind: WindowKind
    start: datetime

    @property
    def end(self) -> datetime:
        return from_microseconds(self.kind.window_at(to_microseconds(self.start)).end)


@dataclass(frozen=True)
class Wrong:
    """A window whose streamed counts are not what the canonical SQL gives."""

    place: Place
    streamed: Counts
    canonical: Counts


async def differences(
    connection: OwnConnection,
    kinds: Sequence[WindowKind],
    tenants: Collection[UUID] = (),
    pairs: StagePairs | None = None,
) -> list[Wrong]:
    """Compare, in one snapshot, every window that is open or closed or that a row lies in; historic ones apart.

    `pairs` are those that are configured.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        installed_at = await connection.fetchval("select installed_at from funnelproof.installation")
        found = await _streamed(connection, kinds)
        for row in await connection.fetch(ENTRIES):
            for kind in kinds:
                start = from_microseconds(kind.window_at(to_microseconds(row["entered_at"])).start)
                found.setdefault(Place(row["tenant_id"], row["pipeline_id"], kind, start), {})
        compared = [
            Wrong(place, streamed, await canonical(connection, place, pairs or {}))
            for place, streamed in found.items()
            if place.end > installed_at and (not tenants or place.tenant in tenants)
        ]
    return [each for each in compared if each.streamed != each.canonical]


async def canonical(connection: OwnConnection, place: Place, pairs: StagePairs) -> Counts:
    """Return what the definition says."""
    given = [
        {"from_stage_id": a, "to_stage_id": b}
        for a, b in pairs.get(Scope(str(place.tenant), str(place.pipeline)), ())
    ]
    rows = await connection.fetch(
        sql("canonical/stage_conversion"),
        place.tenant,
        place.pipeline,
        place.start,
        place.end,
        json.dumps(given) if given else None,
    )
    return {
        (row["from_stage_id"], row["to_stage_id"]): (row["entered_count"], row["converted_count"])
        for row in rows
    }


async def _streamed(connection: OwnConnection, kinds: Sequence[WindowKind]) -> dict[Place, Counts]:
    by_name = {kind.name: kind for kind in kinds}
    found: dict[Place, Counts] = {}
    for row in await connection.fetch(STREAMED):
        place = Place(row["tenant_id"], row["pipeline_id"], by_name[row["window_name"]], row["window_start"])
        pair = row["from_stage_id"], row["to_stage_id"]
        found.setdefault(place, {})[pair] = (row["entered_count"], row["converted_count"])
    return found
