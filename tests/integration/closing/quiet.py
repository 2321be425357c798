"""Sessions of a reconciliation without Kafka, and a deal that the CRM and a desk have."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid5

import asyncpg
import pytest

from streams.reconciliation.reader import Reader
from streams.reconciliation.reconcile import Sessions
from streams.store.database import Pool
from tests.integration.closing.conftest import SALES, TENANT, Desk, entry, write_to_crm


class Quiet(Sessions):
    """Sessions without Kafka: the partials hold everything that the test has flushed."""

    async def prove(self) -> None:
        pass


@pytest.fixture
async def sessions(database: str, pool: Pool) -> AsyncIterator[Sessions]:
    connection = await asyncpg.connect(database, server_settings={"timezone": "UTC"})
    reader = Reader(connection, timedelta(seconds=30))
    yield Quiet(reader, pool, connection, None)  # type: ignore[arg-type]  # there is no prover
    await connection.close()


async def let_a_deal_convert(desk: Desk, sessions: Sessions) -> None:
    """Let a deal enter the first two stages of SALES in the first window, for the CRM and for the desk."""
    for stage in range(2):
        deal, row = uuid5(UUID(TENANT), "deal"), uuid5(UUID(TENANT), f"deal {stage}")
        await write_to_crm(sessions.source, deal, row, (SALES, stage, 1 + stage))
        desk.write(str(row), entry(stage, 1 + stage), deal=str(deal))
    await desk.flush()
