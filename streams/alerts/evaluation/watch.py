"""A watch over conversion or traffic: a rule, a kind of window, a tiling, and a detector of all streams.

The watch looks at closed windows in their order, then at the open window that follows, bucket by bucket as far as the
source is proven. A window that was closed as an estimate is passed over: nothing is learned from the window, and no
alert comes from it. A window whose predecessor is still open waits.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import structlog

from streams.alerts.evaluation.book import Decided
from streams.alerts.evaluation.deciding import (
    align,
    corrected,
    on_run,
)
from streams.alerts.evaluation.looking import Looking
from streams.alerts.evaluation.memory import recall, remember
from streams.alerts.evaluation.moment import Moment
from streams.alerts.evaluation.numbers import Names
from streams.alerts.evaluation.open_window import OpenWindow
from streams.alerts.evaluation.reading import ClosedWindow, Reader
from streams.alerts.evaluation.streams import Streams
from streams.alerts.rules import DropRule, TrafficRule
from streams.alerts.scope import Stream
from streams.domain.detection.detector import Detector
from streams.domain.detection.profile import BUCKETS, Flags, Profile, bucket_end, bucket_of
from streams.domain.detection.replay import replay
from streams.domain.detection.season import Season
from streams.domain.windows import to_microseconds
from streams.store.database import Connection

log = structlog.get_logger(__name__)

HALF_LIVES = 6
"""The history that is learned from, in half-lives of a baseline: older windows weigh less than a sixtieth."""

CHANGED = "the numbers of its windows have changed"


class Watch(Looking):
    """See the module. The detector's rows are the streams, in their order."""

    def __init__(
        self, rule: DropRule | TrafficRule, tiling: str, season: Season, streams: Sequence[Stream]
    ) -> None:
        super().__init__(rule, tiling, season, streams)
        self._take(self.streams)
        self._since: int | None = None

    def _take(self, streams: Streams) -> None:
        self.streams = streams
        self._reader = Reader(self.rule.window, self.book.tiling, streams)
        self._open_window = OpenWindow(self.rule.window, streams)

    async def learn(self, connection: Connection, until: int | None) -> None:
        """Forget everything, and learn from the closed windows that start up to `until`; None: from all.

        Nothing is decided meanwhile: a firing detector fires without a word.
        """
        self.detector = self._fresh()
        windows = await self._remember(connection, until)
        async for some in self._reader.history(connection, windows):
            proven = [(window.start, profile) for window, profile in some if not window.is_estimated]
            await asyncio.to_thread(deque, replay(self.detector, proven), 0)  # looks without a word
            del some, proven  # a window of many pipelines is large: forgotten before the next is read
        closed = windows[-1].start if windows else until
        self.place = replace(self.place, closed=closed, start=None, end=None, age=-1)

    async def _remember(self, connection: Connection, until: int | None) -> list[ClosedWindow]:
        """Return the closed windows that are learned from, and keep their starts."""
        windows = [
            window
            for window in await self._reader.closed(connection, None)
            if until is None or window.start <= until
        ]
        if windows:
            self._since = windows[-1].start - HALF_LIVES * self.season.half_life
            windows = [window for window in windows if window.start >= self._since]
        self._known = {window.start for window in windows}
        return windows

    async def restore(self, connection: Connection, memory: deque[bytes], proof_id: int) -> bool:
        """Take the detector of a former process, as it was after the publication `proof_id`, and its streams.

        Return False, with nothing taken, if the watch has new streams with a history: see `change`. Raises
        SnapshotError if the memory is of another version.
        """
        wanted, test = self.streams, self.detector.test
        streams, state = recall(memory, isinstance(self.rule, TrafficRule))
        self._take(Streams(streams))
        self.detector = Detector.restore(state, self.season, test, self.log_thresholds())
        await self._remember(connection, self.place.closed)
        if not await self.change(connection, wanted.streams):
            self._take(wanted)
            return False
        self.place = replace(self.place, proof_id=proof_id, start=None, end=None, age=-1)
        return True

    def memory(self) -> Iterator[bytes]:
        """Yield the detector and the streams for `restore`, in parts."""
        return remember(self.streams.streams, self.detector.snapshot())

    async def change(self, connection: Connection, streams: Sequence[Stream]) -> bool:
        """Go on with other streams: what is known of the streams that stay remains, and new streams have no history.

        Return False, with nothing changed, if new streams have a history: the watch must learn.
        """
        if set(self.streams.streams) == set(streams):
            return True
        before, wanted = self.streams.streams, set(streams)
        fresh = list(wanted.difference(before))
        if await self._reader.any_history(connection, fresh, self._since):
            return False
        self._open_window.forget()
        stay = [row for row, stream in enumerate(before) if stream in wanted]
        if len(stay) < len(before):
            self.detector.keep(np.array(stay, np.intp))
        if fresh:
            self.detector.grow(len(fresh))
        self._take(Streams([*(before[row] for row in stay), *sorted(fresh)]))
        self.detector.log_threshold = self.log_thresholds()
        return True

    async def look(self, connection: Connection, moment: Moment, names: Names) -> list[Decided]:
        """Look at everything that was published or proven since the last look; return what was decided."""
        decided = await self._revise(connection, moment)
        decided += await self._close(connection, names)
        decided += await self._open(connection, moment, names)
        if moment.until is not None:
            decided += self.book.pass_time(to_microseconds(moment.until))
        return decided

    async def _revise(self, connection: Connection, moment: Moment) -> list[Decided]:
        place, decided = self.place, []
        if place.closed is not None and moment.proof_id > place.proof_id:
            changes = await self._reader.changes(connection, place.closed, place.proof_id, moment.proof_id)
            changes = [change for change in changes if self._since is None or change.start >= self._since]
            if changes and place.age < 0:  # opened before the first look: opened again, with the new numbers
                self.detector.state.open = None
            if any(change.start not in self._known for change in changes):
                log.info("windows were closed in the past: learning anew", rule=self.rule.name)
                decided = await self.relearn(connection, moment)
            else:
                affected = np.zeros(len(self.streams), bool)
                for change in changes:
                    affected |= self.detector.revise(change.start, change.rows, change.before, change.after)
                if affected.any():
                    decided = await self._rescore(connection, moment, affected)
        place.proof_id = moment.proof_id
        return decided

    async def relearn(self, connection: Connection, moment: Moment) -> list[Decided]:
        """Learn anew up to the last closed window of the cursor; take back what the numbers do not hold any more."""
        await self.learn(connection, self.place.closed)
        return self.align(moment, "retracted", CHANGED)

    def align(self, moment: Moment, step: Literal["resolved", "retracted"], reason: str) -> list[Decided]:
        """Make detector and book agree: the book says what people were told.

        An alert that fired in the window that is still open goes on. Every other alert that the detector does not know
        of ends. An alert that the book does not know of is not fired yet: the next look may fire the alert.
        """
        return list(
            align(
                self.book, self.detector, self.streams.streams, self.place.closed, (moment.at, step, reason)
            )
        )

    async def _rescore(self, connection: Connection, moment: Moment, affected: Flags) -> list[Decided]:
        """Compute the evidence of excursions anew; retract alerts that would not have fired."""
        rows, state = np.flatnonzero(affected), self.detector.state
        first = int(state.since[rows].min())
        closed = [w for w in await self._reader.closed(connection, first - 1) if w.start in self._known]
        windows: list[tuple[int, int, Profile]] = []
        async for some in self._reader.history(connection, [w for w in closed if not w.is_estimated]):
            windows += [(window.start, BUCKETS, profile[rows]) for window, profile in some]
        if state.open is not None and self.place.age >= 0 and self.place.end and moment.epoch:
            profile = await self._open_window.read(connection, moment.epoch, state.open, self.place.end)
            windows.append((state.open, self.place.age + 1, profile[rows]))
        firing = state.firing[rows].copy()
        greatest = await asyncio.to_thread(self.detector.rescore, rows, windows)
        undone = np.flatnonzero(firing & (greatest < self.log_thresholds()[rows]))
        self.detector.retract(np.isin(np.arange(len(self.streams)), rows[undone]))
        decided: list[Decided] = []
        for place in undone.tolist():
            stream = self.streams.streams[rows[place]]
            if alert := self.book.alerts.get(stream):
                found = corrected(alert.seen, windows, place, float(greatest[place]))
                decided += self.book.end(stream, "retracted", moment.at, CHANGED, found)
        return decided

    async def _close(self, connection: Connection, names: Names) -> list[Decided]:
        decided: list[Decided] = []
        windows = await self._reader.closed(connection, self.place.closed)
        if windows:
            self._open_window.forget()
        async for some in self._reader.history(connection, windows):
            for window, profile in some:
                found = await asyncio.to_thread(self.look_at_closed, window, profile, names)
                decided += await self._with_runs(connection, window, found)
        return decided

    async def _open(self, connection: Connection, moment: Moment, names: Names) -> list[Decided]:
        """Look at the open window's buckets that have ended by the proven time of the source."""
        found = await self._reader.next_open(connection, self.place.closed)
        if found is None or moment.until is None or moment.epoch is None:
            return []
        (start, end), until = found, to_microseconds(moment.until)
        age = min(bucket_of(start, end, until), BUCKETS) - 1
        if start != self.place.start:
            self._leave(start)
            self.place = replace(self.place, start=start, end=end, age=-1)
        if age <= self.place.age:
            if self.place.age + 1 < BUCKETS - 1:  # the last look is at the run
                near = bucket_end(start, end, self.place.age + 1)
                await self._open_window.read_ahead(
                    connection, moment.epoch, (start, end), near - until, until
                )
            return []
        profile = await self._open_window.read(connection, moment.epoch, start, end)
        window = ClosedWindow(start, end, is_estimated=False)
        last = min(age, BUCKETS - 2)  # the last look is the close
        return await asyncio.to_thread(self._looks, window, profile, last, names)

    async def _with_runs(
        self, connection: Connection, window: ClosedWindow, decided: Sequence[Decided]
    ) -> list[Decided]:
        """Add to each decision about a closed window the run that it rests on."""
        if not decided:
            return []
        runs = await self._reader.runs(connection, window.start, (stream.scope for stream, _, _ in decided))
        return [(stream, step, on_run(seen, runs.get(stream.scope))) for stream, step, seen in decided]
