"""A partition's state at an offset, in a form that outlives the process."""

from dataclasses import dataclass
from typing import NamedTuple

from streams.domain.change import Scope
from streams.domain.deal import GONE, ROW
from streams.domain.profile import Profile


class CellProfiles(NamedTuple):
    """The profiles of a window of a pipeline, by step number (see `tally.step`)."""

    scope: int
    window_name: str
    start: int
    end: int
    profiles: dict[int, Profile]


@dataclass(frozen=True)
class Snapshot:
    """The fold of a log before `position`. A code in `deals` and `cells` is an index into `scopes` or `stages`."""

    position: int
    scopes: tuple[Scope, ...]
    stages: tuple[str, ...]
    deals: dict[bytes, bytes]
    cells: list[CellProfiles]


def recode(packed: bytes, scopes: list[int], stages: list[int]) -> bytes:
    """Return a packed deal with new codes: `scopes[old]` and `stages[old]` are the new codes."""
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
