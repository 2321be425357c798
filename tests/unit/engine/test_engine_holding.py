import asyncio
from collections.abc import Awaitable, Callable

from aiokafka.errors import IllegalStateError

from streams.engine.holding import Holding


class FakeOwner:
    """Writes down its calls; `gate` holds `on_assigned` back."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.revoking: Callable[[], Awaitable[object]] | None = None
        self.positions: dict[int, int] | None = None

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        self.calls.append(f"assigned {sorted(partitions)}")
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.calls.append("cancelled")
            raise
        return dict.fromkeys(partitions, 5) if self.positions is None else self.positions

    async def on_revoked(self, partitions: set[int]) -> None:
        self.calls.append(f"revoked {sorted(partitions)}")
        if self.revoking is not None:
            await self.revoking()


class FakeHost:
    """An app without Faust; the log begins at 3, and `lost` says that a rebalance overtook the seek."""

    def __init__(self) -> None:
        self.fatal: BaseException | None = None
        self.revoke_timeout = 0.05
        self.owner = FakeOwner()
        self.lost = False
        self.stopped_intake = 0
        self.holding = Holding(self, self._seek, self._stop_intake)

    async def die(self, reason: BaseException) -> None:
        self.fatal = reason

    async def _seek(self, generation: int, positions: dict[int, int]) -> dict[int, int]:
        assert generation > 0
        if self.lost:
            raise IllegalStateError
        return {partition: max(at, 3) for partition, at in positions.items()}

    def _stop_intake(self) -> None:
        self.stopped_intake += 1


async def assign(host: FakeHost, *partitions: int) -> None:
    host.holding.assigned(set(partitions))
    await host.holding.activate()


async def test_a_tenure_begins_when_the_owner_is_ready_and_ends_at_the_release() -> None:
    host = FakeHost()
    host.owner.positions = {0: 7, 1: 0}
    await assign(host, 0, 1)
    tenure = await host.holding.next_tenure()
    assert tenure is not None
    assert tenure.positions == {0: 7, 1: 3}
    assert host.holding.is_current(tenure.generation)
    await host.holding.release()
    assert not host.holding.is_current(tenure.generation)
    assert host.owner.calls == ["assigned [0, 1]", "revoked [0, 1]"]
    assert host.stopped_intake == 1


async def test_batches_of_an_earlier_tenure_are_not_current_in_the_next() -> None:
    host = FakeHost()
    await assign(host, 0)
    first = host.holding.tenure
    await host.holding.release()
    await assign(host, 0)
    second = host.holding.tenure
    assert first is not None
    assert second is not None
    assert first.generation != second.generation
    assert not host.holding.is_current(first.generation)
    assert host.holding.is_current(second.generation)


async def test_nothing_is_current_while_the_owner_is_revoked() -> None:
    host = FakeHost()
    seen: list[bool] = []

    async def look() -> None:
        seen.append(host.holding.is_current(1))

    host.owner.revoking = look
    await assign(host, 0)
    assert host.holding.is_current(1)
    await host.holding.release()
    assert seen == [False]


async def test_a_release_cancels_a_preparation_and_does_not_revoke_it() -> None:
    host = FakeHost()
    host.owner.gate.clear()
    host.holding.assigned({0})
    activation = asyncio.create_task(host.holding.activate())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await host.holding.release()
    await activation
    assert host.owner.calls == ["assigned [0]", "cancelled"]
    assert host.holding.tenure is None
    assert host.fatal is None


async def test_an_activation_after_the_revocation_of_its_partitions_does_nothing() -> None:
    host = FakeHost()
    host.holding.assigned({0})
    await host.holding.release()
    await host.holding.activate()
    assert host.owner.calls == []


async def test_activating_twice_asks_the_owner_once() -> None:
    host = FakeHost()
    await assign(host, 0)
    await host.holding.activate()
    assert host.owner.calls == ["assigned [0]"]


async def test_no_partitions_are_told_and_not_revoked() -> None:
    host = FakeHost()
    await assign(host)
    await host.holding.release()
    assert host.owner.calls == ["assigned []"]


async def test_partitions_that_were_lost_during_the_seek_wait_for_the_next_assignment() -> None:
    host = FakeHost()
    host.lost = True
    await assign(host, 0)
    assert host.holding.tenure is None
    assert host.fatal is None


async def test_positions_of_other_partitions_stop_the_worker() -> None:
    host = FakeHost()
    host.owner.positions = {1: 0}
    await assign(host, 0)
    assert "each of the partitions [0]" in str(host.fatal)
    assert host.holding.tenure is None


async def test_a_failing_revocation_stops_the_worker() -> None:
    host = FakeHost()

    async def fail() -> None:
        raise TimeoutError("the database does not answer")

    host.owner.revoking = fail
    await assign(host, 0)
    await host.holding.release()
    assert isinstance(host.fatal, TimeoutError)


async def test_a_revocation_that_takes_too_long_is_cancelled_and_the_worker_goes_on() -> None:
    host = FakeHost()
    ended: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    host.owner.revoking = linger
    await assign(host, 0)
    await host.holding.release()
    assert ended == ["cancelled"]
    assert host.fatal is None


async def test_after_an_error_the_owner_writes_nothing_more() -> None:
    host = FakeHost()
    await assign(host, 0)
    host.fatal = ValueError("an agent failed")
    await host.holding.release()
    assert host.owner.calls == ["assigned [0]"]


async def test_two_releases_at_once_revoke_once() -> None:
    host = FakeHost()
    await assign(host, 0)
    await asyncio.gather(host.holding.release(), host.holding.release())
    assert host.owner.calls == ["assigned [0]", "revoked [0]"]
