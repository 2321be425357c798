"""Changes packed into bytes, for the compiled modules; `packed.pxd` declares the layout in C."""

from collections.abc import Iterator
from struct import Struct

from streams.domain.change import Change

_CHANGE = Struct("=16s16sIIqqqB7x")
"""Deal, row, scope, stage, instant, LSN (0 for a snapshot's row), instant of the commit, flags."""
_IS_SNAPSHOT = 1
_IS_REKEYED = 2
_IS_NOTHING = 4

NO_CHANGE = _CHANGE.pack(b"", b"", 0, 0, 0, 0, 0, _IS_NOTHING)
"""The packed form of a tombstone, a record without a value: no change."""


def packed(change: Change) -> bytes:
    """Return a change as 72 bytes; raises struct.error when a number is too large."""
    flags = (change.lsn is None) * _IS_SNAPSHOT | change.rekeyed * _IS_REKEYED
    return _CHANGE.pack(*change[:5], change.lsn or 0, change.committed_at, flags)


def unpacked(changes: bytes) -> Iterator[Change]:
    """Yield the changes in a packed sequence; tombstones are left out."""
    for deal_id, row_id, scope, stage, at, lsn, committed_at, flags in _CHANGE.iter_unpack(changes):
        if not flags & _IS_NOTHING:
            known = None if flags & _IS_SNAPSHOT else lsn
            yield Change(deal_id, row_id, scope, stage, at, known, committed_at, bool(flags & _IS_REKEYED))
