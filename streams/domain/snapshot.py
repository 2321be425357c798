"""A partition's state at one offset, in a form that outlives the process that folded it."""

from dataclasses import dataclass
from typing import NamedTuple

from streams.domain.change import Scope
from streams.domain.deal import GONE, ROW


class CellCounts(NamedTuple):
    """One window of one pipeline, and its counts by step number."""

    scope: int
    window_name: str
    start: int
    end: int
    counts: dict[int, int]


@dataclass(frozen=True)
class Snapshot:
    """The fold of a log before `position`. Codes are those of `scopes` and `stages`: a value's place in them."""

    position: int
    scopes: tuple[Scope, ...]
    stages: tuple[str, ...]
    deals: dict[bytes, bytes]
    cells: list[CellCounts]


def recode(packed: bytes, scopes: list[int], stages: list[int]) -> bytes:
    """Return a packed deal with other codes: each code's place in the list holds the new one."""
    return b"".join(
        ROW.pack(
            row_id,
            version,
            at,
            scope if stage == GONE else scopes[scope],
            stage if stage == GONE else stages[stage],
        )
        for row_id, version, at, scope, stage in ROW.iter_unpack(packed)
    )
