"""The reconciliation job: compares closed windows again and again, gently, until the job is told to end.

Every window is compared soon after the window closes, once more after a day, after each revision, and in its turn
within a week. A window that differs, or could not be compared, is compared again in the next round.
"""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NoReturn

import structlog

from streams.errors import PreconditionError
from streams.reconciliation.batches import in_batches
from streams.reconciliation.ledger import due_windows, reasons_of
from streams.reconciliation.reconcile import Sessions, compare, open_sessions
from streams.resources import sql
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import facts_connection, facts_setting
from streams.store.held_epoch import require_living_worker
from streams.store.held_lock import HeldLock
from streams.store.installation import require_installation
from streams.store.keep_trying import PASSING_ERRORS, Trouble

log = structlog.get_logger(__name__)

STAND_BY_SECONDS = 10.0
"""The pause of a job that stands by, between two looks whether another job still runs."""
JITTER = 0.1
"""The most by which a pause is longer or shorter, as a part of the pause."""

Outcome = Literal["equal", "different", "undecided", "nothing_due", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("equal", "different", "undecided", "nothing_due", "failed")


@dataclass(frozen=True)
class Round:
    """A round of the job: its outcome, the runs compared, its length, and the time in which snapshots were held.

    `undecided`: some windows, or all, could not be compared. `failed`: a server did not answer, or no worker lives.
    """

    outcome: Outcome
    runs: int = 0
    seconds: float = 0.0
    source_seconds: float = 0.0

    @property
    def is_success(self) -> bool:
        """True if the round has left no window that was due without an answer."""
        return self.outcome not in ("undecided", "failed")


OnRound = Callable[[Round], None]


class Job:
    """The job of an installation; `every` is the time between the starts of two rounds.

    One job runs at a time; further jobs stand by, and one of them takes over once the first has ended. `on_round` is
    called after every round. `compares_since` is when the job began to be the one that compares, or the end of its last
    successful round (of `time.monotonic`); None while the job stands by.
    """

    def __init__(self, settings: Settings, every: timedelta, on_round: OnRound = lambda _: None) -> None:
        self._settings = settings
        self.every = every
        self._on_round = on_round
        self.compares_since: float | None = None
        self._lock = HeldLock(
            settings.facts_dsn,
            facts_setting(settings),
            f"{settings.instance} reconcile job",
            sql("queries/reconciliation/job_lock"),
        )
        self.trouble = Trouble("closed windows could not be compared")
        self._draw = random.Random()  # noqa: S311 - a pause, no secret

    async def run(self) -> NoReturn:
        """Compare until cancelled. An error that passes is logged, and a round follows soon; other errors are raised.

        Without a living worker a round is such an error, too.
        """
        try:
            while True:
                began = time.monotonic()
                pause = self.every.total_seconds()
                try:
                    if not await self.is_alone():
                        self.compares_since = None
                        pause = STAND_BY_SECONDS
                    else:
                        self.compares_since = self.compares_since or began
                        self._note(await self.round())
                    self.trouble.end()
                except (PreconditionError, *PASSING_ERRORS) as error:
                    self.trouble.tell(error)
                    self._note(Round("failed", seconds=time.monotonic() - began))
                    pause = min(pause, 60.0)
                rest = began + pause * self._draw.uniform(1 - JITTER, 1 + JITTER) - time.monotonic()
                await asyncio.sleep(max(0.0, rest))
        finally:
            await self.release()

    def _note(self, done: Round) -> None:
        if done.is_success:
            self.compares_since = time.monotonic()
        self._on_round(done)

    async def round(self) -> Round:
        """Compare the windows that are due.

        Raises PreconditionError if no worker lives, UnreachableError if a server does not answer.
        """
        async with facts_connection(self._settings) as facts:
            await require_installation(facts, self._settings.instance)
            await require_living_worker(facts)
        async with open_sessions(self._settings, share=self._settings.reconcile_share / 100) as sessions:
            return await self._compare(sessions)

    async def _compare(self, sessions: Sessions) -> Round:
        began = time.monotonic()
        due = await due_windows(sessions.report, self.every)
        if not due:
            log.debug("no window is due")
            return Round("nothing_due", seconds=time.monotonic() - began)
        result = await compare(
            sessions, ClosedScope(), in_batches((each.kind, each.start, each.runs) for each in due)
        )
        seconds, source_seconds = time.monotonic() - began, sessions.reader.seconds
        told = log.info if result.outcome == "equal" else log.warning
        told(
            "compared",
            outcome=result.outcome,
            windows=len(due),
            due=dict(reasons_of(due)),
            runs=result.runs,
            differences=len(result.differences),
            undecided=len(result.undecided),
            seconds=round(seconds, 1),
            source_seconds=round(source_seconds, 2),
            **({} if result.reason is None else {"reason": result.reason}),
        )
        return Round(result.outcome, result.runs, seconds, source_seconds)

    async def is_alone(self) -> bool:
        """Return True if this job holds the lock: from now on, or since an earlier call."""
        if self._lock.held:
            with suppress(*PASSING_ERRORS):
                return await self._lock.hold()
        alone = await self._lock.hold()
        if not alone:
            await self._lock.close()  # until the next look, no session is needed
            log.debug("another job runs: standing by")
        return alone

    async def release(self) -> None:
        """Give the lock back, if this job holds the lock."""
        await self._lock.close()
