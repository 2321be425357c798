"""Every loop of a worker outlives each error that passes, and ends with every other one."""

import asyncio
from collections import Counter
from copy import copy
from pathlib import Path
from typing import Any, cast

import aiokafka.errors
import asyncpg
import confluent_kafka
import pytest

from streams.completeness import slot
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.errors import UnreachableError
from streams.fold import dead_letters, log_watch
from streams.fold.owned import OwnedPartition
from streams.operations.metrics import Metrics
from streams.publish import closer, outbox, pruning
from streams.running import Running, put_together
from streams.settings import Settings
from streams.store import held_epoch
from streams.store.epoch import Epoch
from streams.store.held_epoch import HeldEpoch

PASSING = [
    UnreachableError("no broker answers"),
    ConnectionResetError(),
    TimeoutError(),
    asyncpg.ConnectionDoesNotExistError("no longer"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("got result for unknown protocol state 3"),
    asyncpg.AdminShutdownError("no longer"),
    asyncpg.DeadlockDetectedError("no longer"),
    asyncpg.TooManyConnectionsError("no longer"),
    asyncpg.ReadOnlySQLTransactionError("no longer"),
    aiokafka.errors.KafkaConnectionError(),
    confluent_kafka.KafkaException(confluent_kafka.KafkaError._ALL_BROKERS_DOWN),
    asyncio.CancelledError(),
]
FOREIGN = [ValueError("no such thing"), ArithmeticError("it does not add up")]
EPOCH = Epoch("crm", "topic id", 1, plan_for(("hour",), "UTC"))


class Broken:
    """A server, a session, a pool: whatever is asked of it raises an error, and it counts who asked."""

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self.asked: Counter[Any] = Counter()

    def fail(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - it returns nothing
        self.asked[asyncio.current_task()] += 1
        raise copy(self._error)

    async def fail_later(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - it returns nothing
        self.fail()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it returns nothing
        return self.fail


def broken_worker(server: Broken, folder: Path) -> Running:
    """Return the parts of a worker that holds partition 0 and reaches no server."""

    async def make_epoch(_: object) -> Epoch:
        raise NotImplementedError

    settings = Settings(state_dir=folder)
    anything = cast("Any", server)
    hold = HeldEpoch("postgresql://nowhere/", "FUNNELPROOF_SOURCE_DSN", make_epoch, "worker")
    running = put_together(settings, "worker", Metrics(), anything, hold, EPOCH, anything)
    state = PartitionState(EPOCH.plan, running.processor.vocabulary)
    running.processor._owned[0] = OwnedPartition(state, 0, 0, 0, None, 1e12)
    return running


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Broken:
    server = Broken(request.param)
    monkeypatch.setattr(held_epoch, "connect", server.fail_later)
    monkeypatch.setattr(slot, "connect_to_source", server.fail_later)
    monkeypatch.setattr("streams.completeness.session.connect_to_source", server.fail_later)
    for module in (slot, dead_letters, log_watch, outbox, pruning, held_epoch):
        monkeypatch.setattr(module, "EVERY", 0.001)
    monkeypatch.setattr(closer, "TICK", 0.001)
    monkeypatch.setattr("streams.fold.processor.HEARTBEAT", 0.001)
    monkeypatch.setattr("streams.running.TOPIC_EVERY", 0.001)
    monkeypatch.setattr("streams.fold.processor._RETRY_DELAYS", (0.001,))
    return server


async def flushed(_: dict[int, int]) -> None:
    raise AssertionError("nothing was flushed")


@pytest.mark.parametrize("server", PASSING, ids=repr, indirect=True)
async def test_a_loop_goes_on_after_an_error_that_passes(server: Broken, tmp_path: Path) -> None:
    loops = broken_worker(server, tmp_path).loops(flushed)
    tasks = {asyncio.ensure_future(loop()): loop for loop in loops}
    for _ in range(2000):
        if all(server.asked[task] > 2 or task.done() for task in tasks):
            break
        await asyncio.sleep(0.005)
    ended = [loop for task, loop in tasks.items() if task.done() or server.asked[task] <= 2]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert ended == []
    assert len(loops) == 9


@pytest.mark.parametrize("server", FOREIGN, ids=repr, indirect=True)
async def test_a_loop_ends_with_an_error_that_does_not_pass(server: Broken, tmp_path: Path) -> None:
    loops = broken_worker(server, tmp_path).loops(flushed)
    tasks = [asyncio.ensure_future(loop()) for loop in loops]
    async with asyncio.timeout(5):
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [repr(error) for error in ended] == [repr(server._error)] * len(loops)
