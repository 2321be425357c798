"""What Postgres keeps, in memory and without its servers: progress and counts behind the fence, and closed windows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from streams.domain.profile import Profile
from streams.domain.tally import TallyKey, WindowScope
from streams.fold.partials import DeadLetter, Flushed, PartitionFlush, Takeover
from tests.fakes.envelopes import SPOILED
from tests.machine.definition import counts_in


class Progress(NamedTuple):
    """How far one partition is: `position` before the first flush is None."""

    claimed: int
    position: int | None = None
    flushes: int = 0
    flushed_by: "LedgerPartials | None" = None


class Partial(NamedTuple):
    profile: Profile
    flush: int


class Run(NamedTuple):
    """One revision of a closed window: its profiles, and the positions its counts stand for."""

    positions: Mapping[int, int]
    profiles: Mapping[TallyKey, Profile]

    @property
    def said(self) -> tuple[object, ...]:
        """What never changes: positions and counts."""
        return self.positions, counts_in(self.profiles)


@dataclass
class Ledger:
    """The tables, and closing over them."""

    progress: dict[int, Progress] = field(default_factory=dict)
    partials: dict[int, dict[TallyKey, Partial]] = field(default_factory=dict)
    runs: dict[WindowScope, list[Run]] = field(default_factory=dict)
    looked_until: dict[int, int] = field(default_factory=dict)

    def copy(self) -> "Ledger":
        return Ledger(
            dict(self.progress),
            {partition: dict(partials) for partition, partials in self.partials.items()},
            {where: list(runs) for where, runs in self.runs.items()},
            dict(self.looked_until),
        )

    @property
    def positions(self) -> dict[int, int]:
        return {partition: each.position or 0 for partition, each in self.progress.items()}

    def told(self, partition: int) -> dict[TallyKey, Profile]:
        return {key: each.profile for key, each in self.partials.get(partition, {}).items()}

    def close(self, due: Iterable[WindowScope]) -> None:
        """Close what is due and is not closed; revise closed windows whose counts changed since the last look.

        Where only the profiles changed, the last run has the new ones.
        """
        touched = {
            key.where
            for partition, partials in self.partials.items()
            for key, each in partials.items()
            if each.flush > self.looked_until.get(partition, 0) and key.where in self.runs
        }
        self.looked_until = {partition: each.flushes for partition, each in self.progress.items()}
        for where in due:
            if where not in self.runs:
                self.runs[where] = [Run(self.positions, self._profiles(where))]
        for where in touched:
            profiles, last = self._profiles(where), self.runs[where][-1]
            if counts_in(profiles) != counts_in(last.profiles):
                self.runs[where].append(Run(self.positions, profiles))
            else:
                self.runs[where][-1] = last._replace(profiles=profiles)

    def _profiles(self, where: WindowScope) -> dict[TallyKey, Profile]:
        profiles: Counter[TallyKey] = Counter()
        for partials in self.partials.values():
            for key, each in partials.items():
                if key.where == where:
                    profiles[key] += each.profile
        return {key: profile for key, profile in profiles.items() if profile}


class LedgerPartials:
    """What `Partials` does, on a ledger."""

    sealed: Mapping[str, int] = MappingProxyType({})

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last_by: dict[int, LedgerPartials | None] = {}

    async def claim(self, partition: int, end: int) -> Takeover:
        progress = self._ledger.progress.get(partition, Progress(end))
        self._ledger.progress[partition] = progress._replace(claimed=max(progress.claimed, end))
        self._last_by[partition] = progress.flushed_by
        return Takeover(progress.position, progress.flushes)

    async def read(self, partition: int) -> dict[TallyKey, Profile]:
        return self._ledger.told(partition)

    async def flush(self, flushes: Sequence[PartitionFlush]) -> Flushed:
        accepted: dict[int, int] = {}
        refused: set[int] = set()
        astray: set[int] = set()
        for flush in flushes:
            progress = self._ledger.progress.get(flush.partition, Progress(0, flushes=-1))
            if flush.position < max(progress.position or 0, progress.claimed):
                refused.add(flush.partition)
            elif flush.after != progress.flushes or self._last_by.get(flush.partition) != progress.flushed_by:
                astray.add(flush.partition)
            else:
                number = accepted[flush.partition] = progress.flushes + 1
                self._ledger.progress[flush.partition] = Progress(
                    progress.claimed, flush.position, number, self
                )
                self._last_by[flush.partition] = self
                written = {key: Partial(each, number) for key, each in flush.delta.profiles.items()}
                self._ledger.partials.setdefault(flush.partition, {}).update(written)
        return Flushed(accepted, frozenset(refused), frozenset(astray))

    async def record_dead_letters(self, partition: int, letters: Sequence[DeadLetter]) -> None:
        assert all(letter.value == SPOILED for letter in letters), f"partition {partition}: refused {letters}"
