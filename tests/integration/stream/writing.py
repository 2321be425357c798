"""A CRM that is busy while a test does something to the servers: random changes, new ones and corrections."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

from streams.store.database import OwnConnection
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

NEW = """
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
values ($1, $2, $3, $4, $5, clock_timestamp())
"""
CORRECTIONS = (
    "update dyno_crm.deal_pipeline_stage_state set entered_at = entered_at - interval '1 s' where id = $1",
    "update dyno_crm.deal_pipeline_stage_state set pipeline_stage_id = $2 where id = $1",
    "update dyno_crm.deal_pipeline_stage_state set deal_id = $2 where id = $1",
    "update dyno_crm.deal_pipeline_stage_state set id = $2 where id = $1",
    "delete from dyno_crm.deal_pipeline_stage_state where id = $1",
)


@dataclass
class Writing:
    """How much was written."""

    transactions: int = 0
    corrections: int = 0


@asynccontextmanager
async def keep_writing(
    installation: Installation, funnels: Sequence[Funnel], seed: int = 20261123, pause: float = 0.008
) -> AsyncIterator[Writing]:
    """Write transactions for as long as the block lasts, about a hundred a second; some are rolled back.

    `pause` is the time between two of them, in seconds.
    """
    writing = Writing()
    connection = await asyncpg.connect(installation.settings.source_dsn)
    stop = asyncio.Event()
    task = asyncio.create_task(_write(connection, funnels, random.Random(seed), writing, stop, pause))
    try:
        yield writing
    finally:
        stop.set()
        await task
        await connection.close()


async def _write(
    connection: OwnConnection,
    funnels: Sequence[Funnel],
    chance: random.Random,
    writing: Writing,
    stop: asyncio.Event,
    pause: float,
) -> None:
    entries: list[UUID] = []
    deals = [(funnel, uuid4()) for funnel in funnels for _ in range(20)]
    while not stop.is_set():
        transaction = connection.transaction()
        await transaction.start()
        entry = uuid4()
        if len(entries) > 20 and chance.random() < 0.3:
            await _correct(connection, chance.choice(entries), chance.choice(funnels), chance)
            writing.corrections += 1
        else:
            funnel, deal = chance.choice(deals)
            stage = funnel.ids[chance.choice("abc")]
            await connection.execute(NEW, entry, funnel.tenant, deal, funnel.pipeline, stage)
            entries.append(entry)
        await (transaction.rollback() if chance.random() < 0.1 else transaction.commit())
        writing.transactions += 1
        await asyncio.sleep(pause)


async def _correct(connection: OwnConnection, entry: UUID, funnel: Funnel, chance: random.Random) -> None:
    statement = chance.choice(CORRECTIONS)
    second = funnel.ids[chance.choice("abc")] if "stage_id" in statement.partition("set")[2] else uuid4()
    await connection.execute(statement, entry, *([second] if "$2" in statement else []))
