"""The changes in records, and the reasons for which records are refused: as a worker decodes and refuses."""

from collections.abc import Iterable, Iterator

from streams.cdc.envelope import ChangeDecoder, MalformedEventError
from streams.domain.change import Change
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE
from streams.domain.packed import unpacked
from streams.domain.plan import WindowPlan
from streams.explaining.log import Record

_OUTSIDE = "the entry lies outside the calendar"
_SAFE = range(-60_000_000_000_000_000, 250_000_000_000_000_000)
"""Instants (microseconds) far from both ends of the calendar: from the year 69 to the year 9892."""


class Decoder:
    """Decodes records to changes in the codes of `vocabulary`."""

    def __init__(self, plan: WindowPlan, vocabulary: Vocabulary) -> None:
        self._plan = plan
        self._vocabulary = vocabulary
        self._decoder = ChangeDecoder(vocabulary)

    def changes(self, records: Iterable[Record]) -> Iterator[tuple[Record, Change | str]]:
        """Yield each record with its change, or with the reason why the record is refused; tombstones are left out."""
        some = [record for record in records if record.value is not None]
        changes = self._decoder.decode_all(some)
        self._decoder.drain_snapshots()
        if changes is None:
            yield from self._singly(some)
            return
        for record, change in zip(
            some, unpacked(changes) if isinstance(changes, bytes) else changes, strict=True
        ):
            yield record, change if self._is_countable(change) else _OUTSIDE

    def _singly(self, records: Iterable[Record]) -> Iterator[tuple[Record, Change | str]]:
        for record in records:
            try:
                change = self._decoder.decode(record)
            except MalformedEventError as error:
                yield record, str(error)
            else:
                if change is not None:
                    yield record, change if self._is_countable(change) else _OUTSIDE

    def _is_countable(self, change: Change) -> bool:
        if change.at in _SAFE or change.stage == GONE:
            return True
        try:
            for kind in self._plan.kinds_of(self._vocabulary.scopes.value(change.scope).tenant_id):
                kind.bounds(change.at)
        except OverflowError:
            return False
        return True
