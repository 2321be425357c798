"""A watch over a fixed rate: the last closed window of each stream is below the rate, or is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from uuid import UUID

import asyncpg
import msgspec

from streams.alerts.evaluation.book import Book, Decided, Seen
from streams.alerts.evaluation.moment import Moment
from streams.alerts.evaluation.numbers import Names
from streams.alerts.evaluation.place import Place
from streams.alerts.evaluation.reading import ClosedWindow
from streams.alerts.evaluation.streams import Streams
from streams.alerts.rules import BelowRule
from streams.alerts.scope import Stream
from streams.alerts.transition import Evidence
from streams.domain.change import Scope
from streams.domain.detection.floor import Floor
from streams.domain.detection.profile import Profile
from streams.domain.windows import from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import Connection, plain_uuid


@dataclass(frozen=True)
class _Counts:
    start: int
    end: int
    run_id: UUID | None
    revision: int
    entered: int
    converted: int


class FloorWatch:
    """Looks at the facts of the last closed window, when the window closes and at each of its revisions.

    A window that fewer deals entered than the rule wants says nothing: the alert stays as it is.
    """

    def __init__(self, rule: BelowRule, tiling: str, streams: Sequence[Stream]) -> None:
        self.rule = rule
        self.book = Book(rule, tiling)
        self.place = Place()
        self.streams = Streams(streams)
        self._tiling = tiling
        self._floor = Floor(Fraction(rule.rate).limit_denominator(10**6), rule.min_entered)

    async def look(self, connection: Connection, moment: Moment, names: Names) -> list[Decided]:
        """Look at what was published since the last look; return what was decided."""
        decided: list[Decided] = []
        if moment.proof_id > self.place.proof_id:
            rows = await connection.fetch(
                sql("queries/alerts/last_counts"), self.rule.window, self._tiling, self.place.proof_id
            )
            found = _by_pair(rows)
            for stream in self.streams.streams:
                counts = found.get((stream.scope, stream.from_stage, stream.to_stage))
                if counts is not None:
                    decided += self._judge(stream, counts, names)
                    self.place.closed = max(self.place.closed or counts.start, counts.start)
            self.place.proof_id = moment.proof_id
        if moment.until is not None:
            decided += self.book.pass_time(to_microseconds(moment.until))
        return decided

    def look_at_closed(self, window: ClosedWindow, profile: Profile, names: Names) -> list[Decided]:
        """Look at the counts of a closed window; return what was decided. An estimate is passed over."""
        if window.is_estimated:
            return []
        decided: list[Decided] = []
        counts = zip(profile.entered_count.tolist(), profile.converted_count.tolist(), strict=True)
        for stream, (entered, converted) in zip(self.streams.streams, counts, strict=True):
            if entered:
                of_window = _Counts(window.start, window.end, None, 1, entered, converted)
                decided += self._judge(stream, of_window, names)
        decided += self.book.pass_time(window.end)
        self.place.closed = window.start
        return decided

    async def change(self, connection: Connection, streams: Sequence[Stream]) -> bool:
        """Go on with other streams; nothing is learned of a stream, so the answer is always True."""
        del connection
        self.streams = Streams(streams)
        return True

    def _judge(self, stream: Stream, counts: _Counts, names: Names) -> list[Decided]:
        breached = self._floor.breached(counts.entered, counts.converted)
        alert = self.book.alerts.get(stream)
        if breached is None:
            return []
        evidence = names.of(
            self.rule,
            stream,
            Evidence(
                entered=counts.entered,
                converted=counts.converted,
                rate=round(counts.converted / counts.entered, 4),
                expected_rate=self.rule.rate,
                since=from_microseconds(counts.start),
                revision=counts.revision,
                completeness="proven",
            ),
        )
        seen = Seen(counts.end, counts.start, counts.end, evidence, counts.run_id)
        if not breached and alert is not None and alert.seen.start == counts.start and counts.revision > 1:
            reason = "the numbers of its window have changed"
            ended = list(self.book.end(stream, "retracted", counts.end, reason))
            return [
                (one, step, replace(seen, evidence=msgspec.structs.replace(evidence, reason=reason)))
                for one, step, _ in ended
            ]
        return list(self.book.advance(stream, counts.end, seen, active=breached))


def _by_pair(rows: Sequence[asyncpg.Record]) -> Mapping[tuple[Scope, str, str | None], _Counts]:
    return {
        (Scope(row["tenant_id"], row["pipeline_id"]), row["from_stage_id"], row["to_stage_id"]): _Counts(
            to_microseconds(row["window_start"]),
            to_microseconds(row["window_end"]),
            plain_uuid(row["run_id"]),
            row["revision"],
            row["entered_count"],
            row["converted_count"],
        )
        for row in rows
    }
