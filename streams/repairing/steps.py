"""The steps of a repair, each of which may be done again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from streams.cdc.restatement import parse_key
from streams.completeness.markers import MarkerDeniedError, MarkerMissingError
from streams.completeness.proving import ProgressMissingError
from streams.completeness.source import read_source
from streams.domain.plan import WindowPlan
from streams.errors import PreconditionError
from streams.repairing.plan import DealRepair, RepairPlan, WindowRepair
from streams.repairing.record import note_done, note_restated
from streams.repairing.restatements import restatements
from streams.repairing.restating import Restating, refusal_of
from streams.resources import sql
from streams.store.database import Connection, columns

HOLD = timedelta(seconds=60)
"""The longest time for which a closer leaves the repair's windows alone."""
_AT_ONCE = timedelta(days=-1)
"""A mark of yesterday has waited for long enough, whatever the debounce is."""
DEALS_AT_ONCE = 200
PATIENCE = 60.0
"""Seconds without any progress after which the wait for the workers fails."""
_POLL = 0.1

OnStep = Callable[[str, int, int], None]
"""A callback with the step, how much is done, and how much there is to do; 0, 0 where nothing is counted."""
T = TypeVar("T")


class Steps:
    """The steps of the repair `repair_id`; the session `facts` holds the lock of repairs."""

    def __init__(
        self,
        partitions: int,
        window_plan: WindowPlan,
        repair_id: int,
        facts: Connection,
        restating: Restating,
        on_step: OnStep,
    ) -> None:
        self._partitions = partitions
        self._window_plan = window_plan
        self._id = repair_id
        self._facts = facts
        self._restating = restating
        self._on_step = on_step

    async def run(self, plan: RepairPlan) -> tuple[str, ...]:
        """Do every step of the plan; return a sentence for each row that cannot be counted."""
        await self._touch(plan.windows, HOLD)
        refused = await self._restate(plan.deals)
        if plan.recount:
            await self._recount()
        if plan.deals or plan.recount:
            self._on_step("count", 0, 0)
            await self._prove()
        await note_done(self._facts, self._id, "recount")
        await self._touch(plan.windows, _AT_ONCE)
        await self._published(len(plan.windows))
        await note_done(self._facts, self._id, "publish")
        return refused

    async def _touch(self, windows: Sequence[WindowRepair], after: timedelta) -> None:
        rows = (
            (
                *(each.tenant_id, each.pipeline_id, each.window_name, each.window_start, each.window_end),
                each.present_pairs,
            )
            for each in windows
        )
        async with self._facts.transaction():
            await self._facts.execute(sql("queries/store/closing_lock"))
            await self._facts.execute(sql("queries/repair/touch"), self._id, *columns(rows), after)

    async def _restate(self, deals: Sequence[DealRepair]) -> tuple[str, ...]:
        refused: list[str] = []
        done = 0
        for some in _chunks(deals, DEALS_AT_ONCE):
            self._on_step("restate", done, len(deals))
            ids = {
                named.row_id for deal in some for record in deal.records if (named := parse_key(record.key))
            }
            reading = await self._restating.read(sorted(ids), [deal.deal_id for deal in some])
            sent = []
            for each in restatements(some, reading, self._partitions):
                why = refusal_of(each, self._window_plan)
                if why:
                    refused.append(f"{each.key.decode(errors='replace')}: {why}")
                else:
                    sent.append(each)
            if sent:
                await self._restating.send(sent)
            await note_restated(self._facts, self._id, some)
            done += len(some)
        return tuple(dict.fromkeys(refused))

    async def _recount(self) -> None:
        asker = f"repair {self._id}"
        asked = await self._facts.fetch(sql("queries/repair/recount"), asker)

        async def left() -> int:
            return int(await self._facts.fetchval(sql("queries/repair/recounted"), asker))

        await self._wait(left, "recount", len(asked))

    async def _prove(self) -> None:
        """Wait until everything that the source and the log have now is in the partials."""
        session = self._restating.session
        source_time, _ = await read_source(session.source)
        try:
            await session.prover.prove(
                session.source,
                source_time,
                purpose="repair",
                marker_timeout=PATIENCE,
                progress_timeout=PATIENCE,
            )
        except (MarkerDeniedError, MarkerMissingError, ProgressMissingError) as error:
            raise PreconditionError(
                f"{error}: `funnelproof status` says why; then run the repair again"
            ) from error

    async def _published(self, total: int) -> None:
        async def left() -> int:
            return int(await self._facts.fetchval(sql("queries/repair/waiting"), self._id))

        await self._wait(left, "publish", total)

    async def _wait(self, left: Callable[[], Awaitable[int]], step: str, total: int) -> None:
        """Wait until nothing is left. Raises PreconditionError after PATIENCE without progress."""
        clock = asyncio.get_running_loop().time
        fewest, moved = total, clock()
        while now := await left():
            if now < fewest:
                fewest, moved = now, clock()
            self._on_step(step, total - now, total)
            if clock() - moved > PATIENCE:
                raise PreconditionError(
                    f"the workers do not {step}: `funnelproof status` says why; then run the repair again"
                )
            await asyncio.sleep(_POLL)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
