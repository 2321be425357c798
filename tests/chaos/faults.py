"""What may happen to workers and servers. Each fault proves that it happened, and leaves one worker that folds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from streams.local.server import Server
from streams.resources import sql
from tests.chaos.stage import FOLDING, Stage, kill, local_ports, log, name_of
from tests.integration.stream.installation import Worker
from tests.standing_still import go_on, stop, stopped

Fault = Callable[[Stage], Awaitable[str]]

FLUSHING = sql("queries/fold/flush_partials")
PUBLISHING = sql("queries/publish/closing_publish")
WAITS_FOR_LOCK = """
select pid, client_port, backend_xid::text as transaction from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and starts_with($1, left(query, 200))
"""
SHARED = """
select count(distinct worker) = 2 from funnelproof.partition_progress
where flushed_at > clock_timestamp() - interval '2 s'
"""
LIVES = "exists (select from pg_stat_activity where pid = $1)"
HELD_BY = "select bool_and(worker = $1) and min(flushed_at) > $2 from funnelproof.partition_progress"


async def kill_worker(stage: Stage) -> str:
    """At any moment."""
    evidence = kill(stage.worker)
    await stage.pause(0, 2)
    return f"{evidence}; the next began with {await stage.next_worker()}"


async def kill_worker_in_flush(stage: Stage) -> str:
    """Progress is written, counts are not yet, nothing is committed."""
    return await _kill_within(stage, FLUSHING, "partial")


async def kill_worker_in_close(stage: Stage) -> str:
    """Runs are being published."""
    return await _kill_within(stage, PUBLISHING, "window_run")


async def _kill_within(stage: Stage, statement: str, table: str) -> str:
    connection = stage.installation.connection
    async with AsyncExitStack() as locked:
        caught = await _caught(stage, stage.worker, statement, table, locked)
        evidence = kill(stage.worker)
        assert await connection.fetchval(f"select {LIVES}", caught.backend)
    await stage.installation.wait_until(f"select not ({LIVES})", caught.backend)
    assert await connection.fetchval("select pg_xact_status($1::text::xid8)", caught.transaction) == "aborted"
    return f"{evidence} before its {table} was written, rolled back; the next began with {await stage.next_worker()}"


@dataclass(frozen=True)
class Caught:
    """A transaction that a lock stops at a statement, and the process of Postgres that runs the transaction."""

    backend: int
    transaction: str


async def _caught(stage: Stage, worker: Worker, statement: str, table: str, locked: AsyncExitStack) -> Caught:
    """Catch the worker in the middle of a transaction: a lock stops the worker at `statement` for as long as `locked`.

    Another worker or the backfill may come to the statement first, and hold what the worker waits for. Then the lock
    is given up, and a later transaction is caught.
    """
    async with asyncio.timeout(90):
        while True:
            async with AsyncExitStack() as attempt:
                session = await attempt.enter_async_context(stage.other_session())
                await attempt.enter_async_context(session.transaction())
                await session.execute(f"lock table funnelproof.{table} in share mode")
                for _ in range(300):
                    for row in await stage.installation.connection.fetch(WAITS_FOR_LOCK, statement):
                        if row["client_port"] in local_ports(worker):
                            await locked.enter_async_context(attempt.pop_all())
                            return Caught(row["pid"], row["transaction"])
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)


async def kill_worker_in_checkpoint(stage: Stage) -> str:
    """Half of a checkpoint is written."""
    worker = stage.worker
    found = await asyncio.to_thread(_stop_while_writing, stage, worker)
    evidence = kill(worker)
    assert found.exists()
    return f"{evidence} beside an unfinished {found.name}; the next began with {await stage.next_worker()}"


def _stop_while_writing(stage: Stage, worker: Worker) -> Path:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if unfinished(stage, worker):
            stop(worker.process.pid)
            if found := unfinished(stage, worker):
                return found[0]
            go_on(worker.process.pid)
        time.sleep(0.0005)
    raise AssertionError("no checkpoint was caught while it was written")


def unfinished(stage: Stage, worker: Worker) -> list[Path]:
    """Return the checkpoints that the worker is writing."""
    return list(stage.checkpoints.glob(f"*.{worker.process.pid}"))


async def kill_broker(stage: Stage) -> str:
    """Kafka goes away in the middle of everything."""
    return await _kill_server(stage, stage.servers.stack.kafka)


async def kill_connect(stage: Stage) -> str:
    """The connector dies within a transaction, most likely."""
    return await _kill_server(stage, stage.servers.stack.connect)


async def kill_postgres(stage: Stage) -> str:
    """Source and facts go away, and the writers' sessions."""
    began = await stage.installation.connection.fetchval("select pg_postmaster_start_time()")
    evidence = await _kill_server(stage, stage.servers.stack.postgres, fold=False)
    await stage.reconnect()
    assert await stage.installation.connection.fetchval("select pg_postmaster_start_time()") > began
    await stage.folding()
    return evidence


async def _kill_server(stage: Stage, server: Server, *, fold: bool = True) -> str:
    worker, pid, address = stage.worker, server.pid, server.address
    assert pid is not None
    server.kill()
    assert server.pid is None
    await stage.pause(0, 3)
    await asyncio.to_thread(server.start)
    assert (server.pid != pid, server.address) == (True, address)
    if fold:
        await stage.folding()
    assert worker.runs, worker.log()
    return f"{server.name} {pid} ended by SIGKILL, again as {server.pid}; the worker outlived it"


async def rebalance_and_stop(stage: Stage) -> str:
    """A second worker joins, and one of the two leaves in order."""
    leaver, stays = await _share(stage)
    assert await leaver.stop() == 0, leaver.log()
    await _taken_over(stage, stays)
    return f"{_named(leaver)} left with status 0, {_named(stays)} took all partitions over"


async def rebalance_and_kill(stage: Stage) -> str:
    """A second worker joins, and one of the two dies."""
    leaver, stays = await _share(stage)
    evidence = kill(leaver)
    await _taken_over(stage, stays)
    return f"{evidence}, {_named(stays)} took all partitions over"


async def _share(stage: Stage) -> list[Worker]:
    """Have two workers share the partitions; return them in any order."""
    both = [stage.worker, stage.installation.start_worker()]
    await stage.installation.wait_until(SHARED, seconds=FOLDING)
    await stage.pause(0.5, 3)
    stage.chance.shuffle(both)
    return both


async def _taken_over(stage: Stage, worker: Worker) -> None:
    now = await stage.installation.now()
    await stage.installation.wait_until(HELD_BY, name_of(worker), now, seconds=FOLDING)


def _named(worker: Worker) -> str:
    return f"worker {worker.process.pid}"


async def pause_worker(stage: Stage) -> str:
    """A worker stands still for longer than its session; another takes over; then it wakes up, a zombie."""
    zombie, other = await _share(stage)
    with stopped(zombie.process.pid):
        await _taken_over(stage, other)
        await stage.pause(0.5, 2)
    return await _fenced(stage, zombie)


async def pause_worker_in_flush(stage: Stage) -> str:
    """The same, but it stands still between the statements of a flush, and holds the locks of its partitions."""
    zombie, other = await _share(stage)
    async with AsyncExitStack() as stack:
        backend = await _stop_in_flush(stage, zombie, stack)
        await stage.installation.wait_until(
            "select state = 'idle in transaction' from pg_stat_activity where pid = $1", backend
        )
        await _taken_over(stage, other)
    return f"{await _fenced(stage, zombie)}, which was within a flush"


async def _stop_in_flush(stage: Stage, worker: Worker, stack: AsyncExitStack) -> int:
    """Stop the worker between two statements of a flush; return its backend."""
    async with AsyncExitStack() as locked:
        caught = await _caught(stage, worker, FLUSHING, "partial", locked)
        stack.enter_context(stopped(worker.process.pid))
    return caught.backend


async def _fenced(stage: Stage, zombie: Worker) -> str:
    """Wait until what the zombie still had to say was refused; then one of the two leaves."""
    refused = "flush refused: another worker has taken the partition over"
    await stage.until(lambda: refused in log(zombie), seconds=30)
    await stage.folding()
    times = log(zombie).count(refused)
    await stage.pause(0.5, 2)
    running = [worker for worker in stage.installation.workers if worker.runs]
    leaver = stage.chance.choice(running)
    assert await leaver.stop() == 0, leaver.log()
    await stage.folding()
    return f"{_named(zombie)} woke up after it was replaced, {times} flushes of its partitions refused"
