"""The source is looked at with every marker: the next close after a change that may lose events is an estimate."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from streams.cdc.connector import Connector, ConnectorStatus
from streams.completeness.slot import SlotWatch
from streams.domain.capture import TABLE
from streams.domain.fingerprint import Fingerprint
from streams.errors import UnreachableError
from streams.publish.closing import Published
from streams.resources import sql
from streams.settings import Settings
from streams.store.capture import begin_capture
from streams.store.database import OwnConnection as Connection
from streams.store.database import Pool
from streams.store.doubts import resolve_doubts, unresolved_doubts
from tests.integration.capture.source import begin, look
from tests.integration.closing.conftest import START, Desk, desk_of


async def close(desk: Desk, second: float, source: Fingerprint) -> Published:
    proof = replace(desk.proof(second), fingerprint=source)
    return await desk.closing.publish(proof, await desk.due(second))


async def kinds(pool: Pool) -> list[str]:
    return [doubt.kind for doubt in await unresolved_doubts(pool)]


async def equal(pool: Pool) -> None:
    """An equal reconciliation of everything."""
    await resolve_doubts(pool, await pool.fetchval(sql("queries/reconciliation/reconcile_begin")))


async def test_the_very_next_close_after_a_change_is_an_estimate_and_the_change_is_noted_once(
    desk: Desk, pool: Pool, crm: Connection
) -> None:
    source = await begin(crm)
    assert (await close(desk, 60, source)).completeness == "proven"
    await crm.execute(f"vacuum full {TABLE}")
    source = await look(crm)
    assert (await close(desk, 120, source)).completeness == "estimated"
    await equal(pool)
    assert (await close(desk, 180, source)).completeness == "proven"
    assert await kinds(pool) == []


async def test_a_fault_that_lasts_is_settled_neither_by_comparing_nor_by_a_new_log(
    desk: Desk, pool: Pool, crm: Connection
) -> None:
    source = await begin(crm)
    await close(desk, 60, source)
    await crm.execute("alter publication funnelproof set (publish = 'insert')")
    broken = await look(crm)
    assert (await close(desk, 120, broken)).completeness == "estimated"
    await equal(pool)
    anew = await desk_of(pool, "another topic")
    assert (await close(anew, 180, broken)).completeness == "estimated"
    await equal(pool)
    assert "publication" in await kinds(pool)


async def test_lost_events_are_settled_by_a_new_log_and_an_equal_reconciliation_only(
    desk: Desk, pool: Pool, crm: Connection
) -> None:
    await close(desk, 60, await begin(crm))
    await crm.execute("alter publication funnelproof set (publish = 'insert')")
    await close(desk, 120, await look(crm))
    await crm.execute("alter publication funnelproof set (publish = 'insert, update, delete')")
    mended = await look(crm)
    await close(desk, 121, mended)
    await equal(pool)
    assert (await close(desk, 180, mended)).completeness == "estimated"
    anew = await desk_of(pool, "another topic")
    await close(anew, 181, mended)
    assert "publication" in await kinds(pool)
    await equal(pool)
    assert "publication" not in await kinds(pool)


async def test_a_change_between_the_logs_beginning_and_the_first_proof_is_a_doubt(
    desk: Desk, pool: Pool, crm: Connection
) -> None:
    async with pool.acquire() as report:
        await begin_capture(report, "topic", await begin(crm), START)
        await crm.execute(f"alter publication funnelproof drop table {TABLE}")
        await crm.execute(f"alter publication funnelproof add table {TABLE}")
        await begin_capture(report, "topic", await look(crm), START)  # a log begins once
    assert (await close(desk, 60, await look(crm))).completeness == "estimated"
    assert await kinds(pool) == ["publication"]


async def test_a_closer_that_was_paused_takes_nothing_back(desk: Desk, pool: Pool, crm: Connection) -> None:
    old = await begin(crm)
    await close(desk, 60, old)
    await crm.execute(f"vacuum full {TABLE}")
    new = await look(crm)
    await close(desk, 120, new)
    await close(desk, 90, old)
    await equal(pool)
    await close(desk, 180, new)
    assert await kinds(pool) == []
    assert await pool.fetchval("select source_time from funnelproof.capture") == START + timedelta(
        seconds=120
    )


# The slot and the connector


async def test_a_connector_that_loses_changes_makes_the_very_next_close_an_estimate(
    desk: Desk, pool: Pool, crm: Connection
) -> None:
    source = await begin(crm)
    proof = replace(
        desk.proof(60), fingerprint=source, configuration=["skipped.operations is 't,d', not 't'"]
    )
    assert (await desk.closing.publish(proof, await desk.due(60))).completeness == "estimated"
    await equal(pool)
    assert (await close(desk, 120, source)).completeness == "estimated"
    assert await kinds(pool) == ["configuration"]


@pytest.mark.parametrize(
    ("noted", "doubts"), [(0, ["slot"]), (None, ["slot"]), (1 << 62, [])], ids=["behind", "no note", "ahead"]
)
async def test_a_slot_that_moves_while_nobody_reads_it_is_a_doubt_unless_connect_has_noted_the_position(
    desk: Desk,
    pool: Pool,
    crm: Connection,
    monkeypatch: pytest.MonkeyPatch,
    noted: int | None,
    doubts: list[str],
) -> None:
    async def note(connector: Connector) -> int | None:
        del connector
        return noted

    monkeypatch.setattr(Connector, "committed_lsn", note)
    await desk.close(1)
    name = f"slot_{uuid4().hex[:20]}"
    dsn = f"postgresql://{name}@127.0.0.1/{name}"
    watch = SlotWatch(Settings(source_dsn=dsn, instance=name), pool, lambda: True)
    await crm.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", name)
    try:
        for _ in range(2):
            await watch._look(crm)
        assert await kinds(pool) == []
        await crm.execute("create table public.more as select 1")
        await watch._look(crm)
        assert await kinds(pool) == []
        await crm.execute("select pg_replication_slot_advance($1, pg_current_wal_lsn())", name)
        for _ in range(3):
            await watch._look(crm)
        assert await kinds(pool) == doubts
        await crm.execute("create table public.again as select 1")
        await crm.execute("select pg_replication_slot_advance($1, pg_current_wal_lsn())", name)
        await watch._look(crm)
        await crm.execute("create table public.once_more as select 1")
        await crm.execute("select pg_replication_slot_advance($1, pg_current_wal_lsn())", name)
        await watch._look(crm)
        assert await kinds(pool) == ["slot"], "the slot went on before Connect had answered"
    finally:
        await crm.execute("select pg_drop_replication_slot($1)", name)


async def test_what_connect_has_noted_while_postgres_was_away_is_no_skipped_change(
    desk: Desk, pool: Pool, crm: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connect answers while Postgres is away, and no more afterwards."""
    answers: list[int] = []

    async def note(connector: Connector) -> int | None:
        del connector
        if answers:
            return answers.pop()
        raise UnreachableError("Connect is away")

    monkeypatch.setattr(Connector, "committed_lsn", note)
    await desk.close(1)
    name = f"slot_{uuid4().hex[:20]}"
    watch = SlotWatch(
        Settings(source_dsn=f"postgresql://{name}@127.0.0.1:1/{name}", instance=name), pool, lambda: True
    )
    await crm.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", name)
    try:
        await crm.execute("create table public.more as select 1")
        delivered = await crm.fetchval("select pg_current_wal_lsn()")
        answers.append(await crm.fetchval("select ($1::pg_lsn - '0/0')::bigint", delivered))
        with pytest.raises(UnreachableError):
            await watch._connect()
        await watch._look(crm)
        await crm.execute("select pg_replication_slot_advance($1, $2)", name, delivered)
        for _ in range(2):  # as a reader does who comes, confirms and goes; then the next reader is there
            await watch._look(crm)
        assert watch._suspicion is None
        await crm.execute("create table public.again as select 1")
        await crm.execute("select pg_replication_slot_advance($1, pg_current_wal_lsn())", name)
        await watch._look(crm)
        assert watch._suspicion is not None, "nobody has noted this position"
        await watch._suspicion.end()
    finally:
        await crm.execute("select pg_drop_replication_slot($1)", name)


async def test_connect_is_asked_at_once_when_nobody_reads_the_slot_and_otherwise_the_more_seldom_the_longer_it_takes(
    desk: Desk, pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    read = {"active": True, "wal_status": "reserved", "confirmed_flush_lsn": 7}
    seen: Mapping[str, object] | None = read

    async def status(connector: Connector) -> ConnectorStatus:
        del connector
        return ConnectorStatus("funnelproof", "RUNNING", ["RUNNING"])

    async def note(connector: Connector) -> int:
        del connector
        asked.append(time.monotonic())
        await asyncio.sleep(0.2)
        return 7

    async def look(watch: SlotWatch, source: Connection) -> Mapping[str, object] | None:
        del watch, source
        return seen

    async def no_faults(connector: Connector) -> list[str]:
        del connector
        return []

    monkeypatch.setattr(Connector, "status", status)
    monkeypatch.setattr(Connector, "committed_lsn", note)
    monkeypatch.setattr(Connector, "configuration_faults", no_faults)
    monkeypatch.setattr(SlotWatch, "_look", look)
    monkeypatch.setattr("streams.completeness.slot.EVERY", 0.3)
    await desk.close(1)
    watch = asyncio.create_task(SlotWatch(Settings(source_dsn=database), pool, lambda: True).run())

    async def next_question() -> float:
        """Return the seconds since the question before."""
        known = len(asked)
        async with asyncio.timeout(10):
            while len(asked) == known:
                await asyncio.sleep(0.02)
        return asked[-1] - asked[-2] if known else 0

    try:
        await next_question()
        assert await next_question() >= 2
        seen = None
        assert await next_question() < 1.5
        seen = read
        assert await next_question() >= 2
        seen = {**read, "active": False}
        assert await next_question() < 1.5
    finally:
        watch.cancel()
        await asyncio.wait([watch])
    assert await kinds(pool) == ["slot"], "the slot was gone for a while"
