"""The source's rows: all rows of the asked windows as one set, and the rows of suspected deals."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from streams.domain.change import Scope
from streams.domain.codes import Vocabulary
from streams.domain.windows import from_microseconds
from streams.explaining.evidence import Entry
from streams.explaining.row_set import RowSet
from streams.explaining.windows import AskedWindows
from streams.resources import sql
from streams.store.all_rows import all_rows
from streams.store.database import Connection

_AT_ONCE = 5000
_ROLE = "the role that reads the CRM"
_OUTSIDE = -(2**62)
"""The instant of an entry outside the calendar: no window has it."""


@dataclass(frozen=True)
class SourceDeal:
    """The rows of a deal. `written_by` tells two states of the rows apart, even where the rows are equal."""

    rows: Mapping[UUID, Entry]
    written_by: frozenset[tuple[UUID, str]]


NOTHING = SourceDeal({}, frozenset())


async def read_rows(source: Connection, windows: AskedWindows, vocabulary: Vocabulary) -> RowSet:
    """Return the rows in the asked windows, from the snapshot of the transaction on `source`.

    Raises PreconditionError if row security could hide rows from the role.
    """
    rows = RowSet()
    async with all_rows(source, _ROLE):
        for scope, start, end in windows.spans():
            code, stage_of = vocabulary.scopes.code(scope), vocabulary.stages.code
            async for row_id, deal_id, stage, at in source.cursor(
                sql("queries/explaining/source_rows"),
                *map(UUID, scope),
                from_microseconds(start),
                from_microseconds(end),
                prefetch=_AT_ONCE,
            ):
                rows.add(deal_id.bytes, row_id.bytes, code, stage_of(str(stage)), at)
    return rows


async def read_deals(source: Connection, deals: Collection[UUID]) -> Mapping[UUID, SourceDeal]:
    """Return the rows of deals, from the snapshot of the transaction on `source`; a deal without rows has none.

    Raises PreconditionError if row security could hide rows from the role: a hidden row would look deleted.
    """
    rows: dict[UUID, dict[UUID, Entry]] = defaultdict(dict)
    written: dict[UUID, set[tuple[UUID, str]]] = defaultdict(set)
    async with all_rows(source, _ROLE):
        for row in await source.fetch(sql("queries/explaining/source_deals"), list(deals)):
            deal = UUID(bytes=row["deal_id"].bytes)
            row_id = UUID(bytes=row["row_id"].bytes)
            scope = Scope(str(row["tenant_id"]), str(row["pipeline_id"]))
            at = row["entered_at"]
            rows[deal][row_id] = Entry(scope, str(row["stage_id"]), _OUTSIDE if at is None else at)
            written[deal].add((row_id, row["written_by"]))
    return {deal: SourceDeal(rows[deal], frozenset(written[deal])) for deal in rows}
