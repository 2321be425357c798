"""Changes written the way a test thinks of them: by names, not by codes and bytes."""

from dataclasses import dataclass, field
from hashlib import md5
from typing import NamedTuple

from streams.domain.change import Change, Scope
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE


class StageEntry(NamedTuple):
    """What a row says: a stage of a pipeline, and when the deal entered it, in microseconds since the epoch."""

    scope: Scope
    stage_id: str
    at: int


def sixteen(name: str) -> bytes:
    """The bytes that stand for a deal or a row called `name`."""
    return md5(name.encode(), usedforsecurity=False).digest()


@dataclass(frozen=True)
class Changes:
    """Makes changes in one worker's vocabulary."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)

    def make(
        self,
        deal: str,
        row: str,
        entry: StageEntry | None,
        lsn: int | None,
        committed_at: int = 0,
        *,
        rekeyed: bool = False,
    ) -> Change:
        """A row's new state, or its deletion where `entry` is None."""
        scope, stage, at = (0, GONE, 0) if entry is None else self._coded(entry)
        return Change(sixteen(deal), sixteen(row), scope, stage, at, lsn, committed_at, rekeyed)

    def _coded(self, entry: StageEntry) -> tuple[int, int, int]:
        return self.vocabulary.scopes.code(entry.scope), self.vocabulary.stages.code(entry.stage_id), entry.at
