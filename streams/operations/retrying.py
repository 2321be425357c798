"""The retry of dead letters: the rows are read anew from the source, and restated in the log.

`streams.repairing.restating` reads and sends. In between, each row is tried in memory, as a worker would: a row that
would be refused again is not sent. At the end the retry waits until the workers have folded the restatements, which
settles the letters.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from streams.cdc.envelope import hides_former_deal
from streams.domain.plan import WindowPlan
from streams.errors import PreconditionError
from streams.operations.dead_letters import DeadLetter, read_letters
from streams.repairing.restating import Restating, refusal_of, restating
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.held_epoch import require_living_worker
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan

AT_ONCE = 1000
"""Letters of a Kafka transaction."""
SETTLE_SECONDS = 60.0
"""The most seconds in which workers fold the restatements."""
_LOOK_SECONDS = 0.1
_UNKNOWN_FORMER_DEAL = (
    "the row may have left another deal, and the event does not say which one: run `funnelproof rebuild`, which "
    "settles the letter"
)

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Retried:
    """The outcome of a letter.

    `settled`: counted now. `refused`: the row in the source would be refused, too. `impossible`: no row can be read
    for the letter. `waiting`: the row is in the log, and no worker has folded the row yet. `why` explains all but
    `settled`.
    """

    letter: DeadLetter
    outcome: Literal["settled", "refused", "impossible", "waiting"]
    why: str = ""


async def retry_dead_letters(
    settings: Settings, places: Sequence[str] | None = None, on_progress: OnProgress = lambda *_: None
) -> list[Retried]:
    """Retry the unresolved letters at `places`, or all; return the outcome of each.

    `on_progress` is called with the number of finished letters and the number of letters. Raises UnreachableError, and
    PreconditionError if no worker lives, or if another retry is at work.
    """
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        await require_living_worker(facts)
        letters, total = await read_letters(facts, None, places, with_events=False)
        if not letters:
            return []
        if not await facts.fetchval(sql("queries/operations/retry_lock")):
            raise PreconditionError("another retry of dead letters is at work: wait for its end")
        plan = await recorded_plan(facts, settings.windows)
        done: list[Retried] = []
        async with restating(settings, "dead-letters") as sender:
            retry = Retry(plan, sender)
            for first in range(0, total, AT_ONCE):
                done += await retry.run(letters[first : first + AT_ONCE])
                on_progress(len(done), total)
        return done


class Retry:
    """A retry; `run` retries letters with the sessions of `sender`."""

    def __init__(self, plan: WindowPlan, sender: Restating) -> None:
        self._plan = plan
        self._sender = sender

    async def run(self, letters: Sequence[DeadLetter]) -> list[Retried]:
        """Retry letters of one log. Raises UnreachableError and PreconditionError."""
        obstacles = [(each, _obstacle(each)) for each in letters]
        done = [Retried(each, "impossible", why) for each, why in obstacles if why]
        left = [each for each, why in obstacles if not why]
        if not left:
            return done
        sent = []
        reading = await self._sender.read(sorted({_row_id(each) for each in left}))
        for each in left:
            restated = reading.restate(each.partition, each.key or b"")
            why = refusal_of(restated, self._plan)
            if why:
                done.append(Retried(each, "refused", why))
            else:
                sent.append((each, restated))
        if sent:
            await self._sender.send([restated for _, restated in sent])
        return done + await self._settled([each for each, _ in sent])

    async def _settled(self, letters: Sequence[DeadLetter]) -> list[Retried]:
        settled: set[tuple[int, int]] = set()
        until = asyncio.get_running_loop().time() + SETTLE_SECONDS
        while len(settled) < len(letters) and asyncio.get_running_loop().time() < until:
            rows = await self._sender.report.fetch(
                sql("queries/operations/dead_letters_resolved"),
                letters[0].topic_id,
                [each.partition for each in letters],
                [each.source_offset for each in letters],
            )
            settled = {(row["partition"], row["source_offset"]) for row in rows}
            await asyncio.sleep(_LOOK_SECONDS)
        why = "the row is in the log, and no worker has folded it yet: `funnelproof status` says why"
        return [
            Retried(each, "settled")
            if (each.partition, each.source_offset) in settled
            else Retried(each, "waiting", why)
            for each in letters
        ]


def _obstacle(letter: DeadLetter) -> str:
    if hides_former_deal(letter.reason):
        return _UNKNOWN_FORMER_DEAL
    if letter.row is None:
        return "the record's key names no row: run `funnelproof rebuild`, which settles the letter"
    return ""


def _row_id(letter: DeadLetter) -> UUID:
    assert letter.row is not None  # noqa: S101 - _obstacle has told the others
    return letter.row.row_id
