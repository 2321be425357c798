"""The rows of a deal, packed into a bytes object: forty bytes a row.

A deal has few rows, and a reader needs all of them; a worker holds millions of deals. Python objects would take ten
times the memory.
"""

from collections.abc import Callable, Iterator
from struct import Struct

ROW = Struct("<16sqqII")
"""Row id, version (LSN of the last change, 0 for a snapshot), `entered_at` in microseconds, scope code, stage code."""
GONE = 0xFFFFFFFF
"""The stage code of a deleted row. The deleted row stays with its version, against redelivered inserts.

Example: an insert (LSN 5) and a delete (LSN 6) are applied, then Kafka delivers the insert again. Version 6 is above
LSN 5, and the row stays deleted.
"""

_ENTRY = Struct("<16xqqII")
ROW_SIZE = ROW.size

# Bound methods instead of functions: every event runs them.
pack_row: Callable[[bytes, int, int, int, int], bytes] = ROW.pack
"""Return a packed row of row id, version, instant, scope and stage."""
read_row: Callable[[bytes, int], tuple[int, int, int, int]] = _ENTRY.unpack_from
"""Return version, instant, scope and stage of the row that begins at an index."""
entries: Callable[[bytes], Iterator[tuple[int, int, int, int]]] = _ENTRY.iter_unpack
"""Return version, instant, scope and stage of every row, deleted rows included."""


def find_row(packed: bytes, row_id: bytes) -> int:
    """Return the index at which the row begins; -1 when the deal lacks the row."""
    place = packed.find(row_id)
    while place > 0 and place % ROW_SIZE:  # equal bytes by chance, across two fields
        place = packed.find(row_id, place + 1)
    return place


def with_row(packed: bytes, place: int, row: bytes) -> bytes:
    """Return the deal with the row at `place` replaced by a packed row."""
    return packed[:place] + row + packed[place + ROW_SIZE :]
