"""Closes historic windows: windows that ended before the installation. The partials already hold the counts.

Each batch of windows has a proof of its own, made like a proof of the closer. A run's evidence, positions and stages
are therefore as fresh as in a run of the closer. A proof costs a tenth of a second, the publishing of a batch seconds.

A batch is a single transaction under the closer's lock. Closed windows stay closed: a stopped backfill continues from
the first open window, and a second backfill finds no work.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime

from streams.cdc.topics import Topics
from streams.completeness.barrier import Barrier
from streams.completeness.markers import MarkerDeniedError, MarkerMissingError
from streams.completeness.proving import ProgressMissingError, Prover, StagesUnknownError
from streams.completeness.session import proving_session
from streams.completeness.source import read_source
from streams.domain.proof import OpenTransaction, Proof
from streams.domain.windows import Window
from streams.errors import PreconditionError, UnreachableError
from streams.publish.historic import HistoricClosing, HistoricWindows, historic_windows, workers_epoch
from streams.settings import Settings
from streams.store.database import (
    STATEMENT_SECONDS,
    OwnConnection,
    close_soon,
    create_pool,
    facts_connection,
    facts_setting,
)
from streams.store.epoch import Epoch
from streams.store.installation import require_installation
from streams.store.keep_trying import PASSING_ERRORS, reason

RUNS_AT_ONCE = 5000
"""The most first runs of a transaction, unless a single window has more: a close waits for the transaction."""
WINDOWS_AT_ONCE = 1000
_PROOF_SECONDS = 30.0


@dataclass(frozen=True)
class Backfilled:
    """The present result of a backfill.

    `already_closed` and `sealed` mean the windows left alone, as in HistoricWindows. `estimated` counts the windows
    closed without proof, because of `reasons`.
    """

    windows_closed: int = 0
    runs: int = 0
    pairs: int = 0
    already_closed: int = 0
    sealed: int = 0
    estimated: int = 0
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0


class Backfill:
    """Closes the historic windows of `[start, end)`: of the kind `window_name`, or of every configured kind.

    `on_progress` is called after each batch, with the present result and the number of windows to close.
    """

    def __init__(
        self,
        settings: Settings,
        start: datetime,
        end: datetime,
        window_name: str | None = None,
        on_progress: Callable[[Backfilled, int], None] = lambda *_: None,
    ) -> None:
        if window_name is not None and window_name not in settings.windows:
            raise PreconditionError(
                f"{window_name!r} is not among FUNNELPROOF_WINDOWS ({','.join(settings.windows)})"
            )
        if end <= start:
            raise PreconditionError("--to must be later than --from: no window lies between them")
        self._settings = settings
        self._span = start, end
        self._names = [window_name] if window_name else list(settings.windows)
        self._on_progress = on_progress
        self._began = time.monotonic()
        self.done = Backfilled()

    async def run(self) -> Backfilled:
        """Close the windows, and return the result.

        Raises PreconditionError if no worker counts, the workers' settings differ or nothing can be proven, and
        UnreachableError if a server does not answer.
        """
        settings = self._settings
        topics = Topics(settings.brokers)
        topic = await topics.require(settings.data_topic)
        async with facts_connection(settings) as facts:
            installed_at = await require_installation(facts, settings.instance)
            epoch = await workers_epoch(facts, topic, settings)
            found = await historic_windows(facts, epoch.plan, self._names, *self._span, installed_at)
        self.done = Backfilled(already_closed=found.already_closed, sealed=found.sealed)
        if found.open:
            try:
                await self._close(found, topics, epoch)
            except UnreachableError:
                raise
            except PASSING_ERRORS as error:
                raise UnreachableError(
                    f"a server was lost after {self.done.windows_closed} of {len(found.open)} windows "
                    f"({reason(error)}): run this again when it is back, it goes on from there"
                ) from error
        return self.done

    async def _close(self, found: HistoricWindows, topics: Topics, epoch: Epoch) -> None:
        settings = self._settings
        async with AsyncExitStack() as stack:
            report = await create_pool(
                settings.facts_dsn,
                facts_setting(settings),
                max_size=2,
                application_name=f"{settings.instance} backfill",
                command_timeout=STATEMENT_SECONDS,
            )
            stack.push_async_callback(close_soon, report)
            session = await stack.enter_async_context(
                proving_session(settings, report, topics, epoch.partitions, "backfill")
            )
            source, prover = session.source, session.prover
            closing = HistoricClosing(report, epoch, settings.dormant_after)
            self._on_progress(self.done, len(found.open))
            still_open = await self._pass_writers(source, found.open[-1])
            left = list(reversed(found.open))
            while left:
                proof = await self._prove(source, prover, still_open)
                pipelines = len({stage.scope for stage in proof.marker.stages})
                batch = min(WINDOWS_AT_ONCE, max(1, RUNS_AT_ONCE // max(1, pipelines)))
                await self._publish(closing, proof, [left.pop() for _ in range(min(batch, len(left)))])
                self._on_progress(self.done, len(found.open))

    async def _pass_writers(self, source: OwnConnection, latest: Window) -> list[OpenTransaction]:
        """Wait for the writers of now, as the closer waits for the writers when a window falls due; see Barrier."""
        barrier = Barrier(self._settings.proof_wait)
        while True:
            source_time, holders = await read_source(source)
            cleared, still_open = barrier.cleared(source_time, holders, [latest])
            if cleared:
                return still_open
            await asyncio.sleep(0.2)

    async def _prove(
        self, source: OwnConnection, prover: Prover, still_open: Sequence[OpenTransaction]
    ) -> Proof:
        source_time, _ = await read_source(source)
        try:
            try:
                return await prover.prove(
                    source,
                    source_time,
                    still_open,
                    purpose="backfill",
                    marker_timeout=_PROOF_SECONDS,
                    progress_timeout=_PROOF_SECONDS,
                )
            except MarkerDeniedError as error:  # as in the closer; historic windows have waited long enough
                reason = str(error)
                return await prover.estimate(source, source_time, reason, progress_timeout=_PROOF_SECONDS)
        except (MarkerMissingError, ProgressMissingError, StagesUnknownError) as error:
            raise PreconditionError(
                f"nothing can be proven now: {error}. See `funnelproof status`, then run this again; "
                f"{self.done.windows_closed} windows were closed"
            ) from error

    async def _publish(self, closing: HistoricClosing, proof: Proof, windows: Sequence[Window]) -> None:
        published = await closing.publish(proof, windows)
        done = self.done
        self.done = Backfilled(
            done.windows_closed + published.windows,
            done.runs + published.closed_runs,
            done.pairs + published.pairs,
            done.already_closed + len(windows) - published.windows,
            done.sealed,
            done.estimated + published.estimated,
            tuple(dict.fromkeys([*done.reasons, *published.reasons])),
            time.monotonic() - self._began,
        )
