"""The word of the log about the asked windows, folded up to given positions, a partition at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streams.domain.change import Change
from streams.domain.codes import Vocabulary
from streams.domain.plan import WindowPlan
from streams.domain.profile import deals_in
from streams.domain.tally import WindowScope
from streams.explaining.counting import Gap, PartitionLog, Steps
from streams.explaining.decoding import Decoder
from streams.explaining.log import Log, Record
from streams.explaining.row_set import RowSet
from streams.explaining.windows import AskedWindows


@dataclass
class LogView:
    """The rows in the asked windows, their counts by window and step, the gaps to the partials, and the split deals.

    A split deal has rows in several partitions.
    """

    rows: RowSet = field(default_factory=RowSet)
    counts: dict[WindowScope, dict[int, int]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    split: set[bytes] = field(default_factory=set)


class LogReading:
    """Reads the log into a LogView. `partials` are the profiles in Postgres, by partition, at the positions."""

    def __init__(
        self,
        log: Log,
        windows: AskedWindows,
        partials: Mapping[int, Mapping[WindowScope, Steps]],
        plan: WindowPlan,
        vocabulary: Vocabulary,
    ) -> None:
        self._log = log
        self._windows = windows
        self._partials = partials
        self._decoder = Decoder(plan, vocabulary)
        self._seen: NDArray[np.int64] = np.empty(0, np.int64)

    async def read(self, until: Mapping[int, int], on_records: Callable[[int], None]) -> LogView:
        """Fold the log up to `until`; `on_records` is called with numbers of read records."""
        view = LogView()
        for partition in sorted(until.keys() | self._partials.keys()):
            folded = PartitionLog(self._windows)
            if partition in until:
                async for _, records in self._log.read({partition: 0}, {partition: until[partition]}):
                    folded.apply(self._changes(records))
                    on_records(len(records))
            self._look(view, partition, folded)
        return view

    def _look(self, view: LogView, partition: int, folded: PartitionLog) -> None:
        living = folded.add_rows(view.rows)
        prints = np.fromiter(map(hash, living), np.int64, len(living))
        view.split |= {living[place] for place in np.flatnonzero(np.isin(prints, self._seen)).tolist()}
        self._seen = np.concatenate([self._seen, prints])
        profiles = folded.profiles()
        for where, steps in profiles.items():
            counts = view.counts.setdefault(where, {})
            for number, profile in steps.items():
                counts[number] = counts.get(number, 0) + deals_in(profile)
        view.gaps += folded.gaps(partition, profiles, self._partials.get(partition, {}))

    def _changes(self, records: Sequence[Record]) -> Iterator[Change]:
        for _, change in self._decoder.changes(records):
            if not isinstance(change, str):
                yield change
