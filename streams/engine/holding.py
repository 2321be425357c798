"""From assignment to revocation: one call to the owner at a time, and records only in between."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka.errors import IllegalStateError

from streams.engine.errors import EngineError
from streams.engine.owner import PartitionOwner

CANCEL_SECONDS = 2.0

log = logging.getLogger(__name__)


class Host(Protocol):
    """The part of the app that `Holding` uses."""

    @property
    def owner(self) -> PartitionOwner:
        """The owner, whom `Holding` asks for positions."""

    @property
    def revoke_timeout(self) -> float:
        """Seconds that `on_revoked` may take."""

    @property
    def fatal(self) -> BaseException | None:
        """The error at which the worker stops, or None."""

    async def die(self, reason: BaseException) -> None:
        """Stop the worker."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """The time between two rebalances, in which this worker holds the same partitions.

    `generation` is the tenure's number, `positions` the next offset to deliver for each partition, and `over`
    is set at the tenure's end.
    """

    generation: int
    positions: dict[int, int]
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Holding:
    """The partitions that this worker holds, and the tenure once the owner is ready.

    `seek(generation, positions)` returns the offset from which each partition is read, and raises
    IllegalStateError for partitions lost in the meantime. `stop_intake` must stop delivery at once.
    """

    def __init__(
        self,
        host: Host,
        seek: Callable[[int, dict[int, int]], Awaitable[dict[int, int]]],
        stop_intake: Callable[[], None],
    ) -> None:
        self._host = host
        self._seek = seek
        self._stop_intake = stop_intake
        self._partitions: set[int] | None = None  # None: between revocation and assignment
        self._tenure: Tenure | None = None
        self._generations = 0
        self._began = asyncio.Event()
        self._activation: asyncio.Task[None] | None = None
        self._releasing = asyncio.Lock()

    @property
    def tenure(self) -> Tenure | None:
        """The present tenure; during `on_revoked`, the tenure that ends."""
        return self._tenure

    def is_current(self, generation: int) -> bool:
        """Return true while the generation's tenure lasts."""
        tenure = self._tenure
        return tenure is not None and tenure.generation == generation and not tenure.over.is_set()

    async def next_tenure(self) -> Tenure | None:
        """Wait for a tenure, and return the tenure; None if the tenure ended at once, a rare case."""
        await self._began.wait()
        return self._tenure

    def assigned(self, partitions: set[int]) -> None:
        """Note the partitions that the group gave; `activate` follows when the app is ready."""
        self._partitions = partitions

    async def activate(self) -> None:
        """Let the owner prepare, and begin the tenure.

        No tenure begins if a rebalance or an error comes in between.
        """
        if self._partitions is None or self._tenure is not None:
            return
        task = self._activation = asyncio.create_task(self._prepare(self._partitions))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()

    async def _prepare(self, partitions: set[int]) -> None:
        self._generations += 1
        try:
            positions = await self._ask(partitions)
            starts = await self._seek(self._generations, positions)
        except IllegalStateError:
            log.info(
                "a rebalance began while positions were sought; positions are sought again after the rebalance"
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not go on
            await self._host.die(error)
        else:
            self._tenure = Tenure(self._generations, starts)
            self._began.set()

    async def _ask(self, partitions: set[int]) -> dict[int, int]:
        positions = await self._host.owner.on_assigned(set(partitions))
        if positions.keys() != partitions:
            raise EngineError(
                f"on_assigned must return a position for each of the partitions {sorted(partitions)}, "
                f"but returned them for {sorted(positions)}"
            )
        return positions

    def end(self) -> None:
        """Stop every further delivery."""
        self._began.clear()
        if self._tenure is not None:
            self._tenure.over.set()
        self._stop_intake()

    async def release(self) -> None:
        """Give up the partitions: stop the intake, and let the owner finish. A second call does no harm."""
        async with self._releasing:
            self._partitions = None
            await self._cancel_activation()
            tenure = self._tenure
            if tenure is not None:
                self.end()
                if tenure.positions and self._host.fatal is None:
                    await self._let_owner_finish(set(tenure.positions))
                self._tenure = None

    async def _cancel_activation(self) -> None:
        task, self._activation = self._activation, None
        if task is not None and not task.done():
            await self._cancel(task)

    async def _let_owner_finish(self, partitions: set[int]) -> None:
        host = self._host
        task = asyncio.ensure_future(host.owner.on_revoked(partitions))
        # The wait is bounded, because the whole group waits for this worker.
        await asyncio.wait({task}, timeout=host.revoke_timeout)
        if not task.done():
            log.error(
                "on_revoked took longer than %s s: records it did not write are read again",
                host.revoke_timeout,
            )
            await self._cancel(task)
        elif not task.cancelled() and (error := task.exception()) is not None:
            await host.die(error)

    async def _cancel(self, task: "asyncio.Future[None]") -> None:
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_SECONDS)
        if not task.done():  # a second call beside the first would spoil the owner's state
            await self._host.die(EngineError(f"the partitions' owner ignores its cancellation in {task!r}"))
