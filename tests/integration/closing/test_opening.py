"""What a worker opens when it is first given partitions: all of it, or nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from streams import worker as worker_module
from streams.brokers import Brokers
from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from streams.local.ports import claim
from streams.operations.metrics import Metrics
from streams.settings import Settings
from streams.store.database import OwnConnection
from streams.store.installation import register_installation
from streams.worker import Worker
from tests.integration.closing.conftest import START

HOLDERS = "select count(*) from pg_locks where locktype = 'advisory' and granted"
SESSIONS = (
    "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
)


@pytest.fixture
async def settings(database: str, kafka: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings for a topic that is there, with everything else in one database."""
    prefix = f"opening_{uuid4().hex[:8]}"
    settings = Settings(source_dsn=database, kafka=kafka, topic_prefix=prefix, state_dir=tmp_path)
    await Topics(Brokers(kafka)).ensure(settings.data_topic, 1, DATA_TOPIC_SETTINGS)
    yield settings
    await Topics(Brokers(kafka)).delete([settings.data_topic])


@pytest.fixture
async def observer(database: str) -> AsyncIterator[OwnConnection]:
    connection = await asyncpg.connect(database)
    await register_installation(connection, "funnelproof", START)
    yield connection
    await connection.close()


async def gone(observer: OwnConnection) -> bool:
    """Wait until only the observer has a session in the database; return whether that came about."""
    for _ in range(100):
        if not await observer.fetchval(SESSIONS):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_take_over_that_is_tried_again_leaves_no_session_behind(
    settings: Settings, database: str, observer: OwnConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The facts can be reached, and the source cannot: it is asked when the epoch is made."""
    monkeypatch.setattr(worker_module, "RETRY_SECONDS", 0.2)
    (port,) = claim(settings.state_dir / "port", 1)
    nobody = f"postgresql://postgres@127.0.0.1:{port}/crm"
    alone = settings.model_copy(update={"source_dsn": nobody, "report_dsn": database})
    worker = Worker(alone, Metrics())
    taking_over = asyncio.create_task(worker.on_assigned({0}))
    await asyncio.sleep(3)
    assert "cannot reach Postgres" in str(worker.trouble.why)
    most = max([await observer.fetchval(SESSIONS) for _ in range(20)])
    taking_over.cancel()
    with suppress(asyncio.CancelledError):
        await taking_over
    assert worker.running is None
    assert most <= 3
    assert await gone(observer)


async def test_a_worker_that_closes_lets_go_of_all_that_it_has_opened(
    settings: Settings, observer: OwnConnection
) -> None:
    worker = Worker(settings, Metrics())
    assert await worker.on_assigned({0}) == {0: 0}
    running = await worker.opened()
    assert running is worker.running
    assert await observer.fetchval(HOLDERS) >= 1
    assert await observer.fetchval(SESSIONS) >= 2
    await worker.on_revoked({0})
    await worker.close()
    assert await gone(observer)
    with pytest.raises(asyncpg.InterfaceError, match="pool is closed"):
        await running.partials.read(0)
