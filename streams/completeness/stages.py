"""The pipelines' stages, as the source has them."""

from collections.abc import Sequence

import asyncpg

from streams.domain.change import Scope
from streams.domain.pairs import Stage
from streams.resources import sql
from streams.store.database import Connection, Pool


async def read_stages(source: Connection) -> list[Stage]:
    """Return every stage of every pipeline."""
    return _stages(await source.fetch(sql("queries/completeness/proof_stages")))


async def known_stages(report: Pool) -> list[Stage]:
    """Return the stages read by the last published proof."""
    return _stages(await report.fetch(sql("queries/completeness/known_stages")))


def _stages(rows: Sequence[asyncpg.Record]) -> list[Stage]:
    return [
        Stage(Scope(row["tenant_id"], row["pipeline_id"]), row["display_order"], row["stage_id"], row["name"])
        for row in rows
    ]
