"""Traces: the last records of the rows of suspected deals, of all partitions."""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from streams.cdc.restatement import own_key, parse_key
from streams.domain.change import Change
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE
from streams.domain.plan import WindowPlan
from streams.explaining.decoding import Decoder
from streams.explaining.evidence import Entry, Trace
from streams.explaining.log import Record


class Traces:
    """Follows the rows of `deals` through the log, by the workers' rules; all other records are passed over."""

    def __init__(self, deals: Iterable[bytes], plan: WindowPlan) -> None:
        self._deals = frozenset(deals)
        self._vocabulary = Vocabulary()
        self._decoder = Decoder(plan, self._vocabulary)
        self._traces: dict[bytes, dict[tuple[bytes, int], Trace]] = {}

    def apply(self, partition: int, records: Sequence[Record]) -> None:
        """Follow further records of a partition, in the log's order."""
        for record, change in self._decoder.changes(records):
            if isinstance(change, str):
                self._refuse(partition, record, change)
            elif change.deal_id in self._deals:
                self._follow(partition, record, change)

    def of(self, deal_id: bytes) -> Iterator[Trace]:
        """Yield the traces of a deal."""
        yield from self._traces.get(deal_id, {}).values()

    def _follow(self, partition: int, record: Record, change: Change) -> None:
        rows = self._traces.setdefault(change.deal_id, {})
        known = rows.get((change.row_id, partition))
        version, entry = (None, None) if known is None else (known.version, known.entry)
        if version is None or change.lsn is None or change.lsn > version:
            version, entry = change.lsn or 0, self._entry(change)
        key = own_key(record.key) or b""
        rows[change.row_id, partition] = Trace(UUID(bytes=change.row_id), partition, key, version, entry)

    def _refuse(self, partition: int, record: Record, reason: str) -> None:
        named = parse_key(own_key(record.key))
        if named is None or named.deal_id.bytes not in self._deals:
            return
        row_id = named.row_id.bytes
        rows = self._traces.setdefault(named.deal_id.bytes, {})
        known = rows.get((row_id, partition))
        version, entry = (None, None) if known is None else (known.version, known.entry)
        key = own_key(record.key) or b""
        rows[row_id, partition] = Trace(UUID(bytes=row_id), partition, key, version, entry, reason)

    def _entry(self, change: Change) -> Entry | None:
        if change.stage == GONE:
            return None
        vocabulary = self._vocabulary
        return Entry(vocabulary.scopes.value(change.scope), vocabulary.stages.value(change.stage), change.at)
