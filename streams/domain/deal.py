"""The rows of one deal, packed into one bytes object: forty bytes a row.

A deal's rows are few and looked at together, deals are millions: as objects they would take ten times the memory.
"""

from collections.abc import Callable, Iterator
from struct import Struct

ROW = Struct("<16sqqII")
"""Row id, version (LSN that said so, 0 for a snapshot), `entered_at` in microseconds, scope code, stage code."""
GONE = 0xFFFFFFFF
"""The stage code of a deleted row; it stays, so that a redelivered insert does not bring it back."""

_ENTRY = Struct("<16xqqII")
ROW_SIZE = ROW.size

# No functions around these: they run for every event.
pack_row: Callable[[bytes, int, int, int, int], bytes] = ROW.pack
"""Return row id, version, instant, scope and stage as one packed row."""
read_row: Callable[[bytes, int], tuple[int, int, int, int]] = _ENTRY.unpack_from
"""Return version, instant, scope and stage of the row that begins at a place."""
entries: Callable[[bytes], Iterator[tuple[int, int, int, int]]] = _ENTRY.iter_unpack
"""Return version, instant, scope and stage of every row, deleted ones too."""


def find_row(packed: bytes, row_id: bytes) -> int:
    """Return where the row begins, -1 where the deal has no such row."""
    place = packed.find(row_id)
    while place > 0 and place % ROW_SIZE:  # the same bytes by chance, across fields
        place = packed.find(row_id, place + 1)
    return place


def with_row(packed: bytes, place: int, row: bytes) -> bytes:
    """Return the deal with a packed row in place of the one at `place`."""
    return packed[:place] + row + packed[place + ROW_SIZE :]
