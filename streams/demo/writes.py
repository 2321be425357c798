"""The writes of the simulated CRM: rows, kinds of writes, transactions."""

from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

Ordinary = Literal["enter", "exit", "reenter"]
Correction = Literal[
    "late_insert", "backdate", "stage_corrected", "delete", "deal_merged", "pipeline_moved", "tenant_moved"
]
Kind = Ordinary | Correction
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)
KINDS: tuple[Kind, ...] = (*get_args(Ordinary), *CORRECTIONS)
INSERTS: frozenset[Kind] = frozenset({"enter", "reenter", "late_insert"})
DELETES: frozenset[Kind] = frozenset({"delete"})


@dataclass(frozen=True, slots=True)
class Row:
    """A deal's stay in a stage: a row of the table."""

    id: UUID
    tenant_id: UUID
    deal_id: UUID
    pipeline_id: UUID
    stage_id: UUID


@dataclass(frozen=True, slots=True)
class PastRow:
    """A row of the past: the seconds since the stage was entered, and since it was left; None for a stage not left."""

    row: Row
    entered_ago: float
    left_ago: float | None


@dataclass(frozen=True, slots=True)
class Write:
    """The write of a row.

    `back` is in seconds. For an insert, `back` is the time since the stage was entered; for an update, the time by
    which the entry moves into the past.
    """

    kind: Kind
    row: Row
    back: float = 0.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """Writes that become visible together, each of another row.

    The commit comes `open_for` seconds after the last write. A transaction that `rolls_back` never becomes visible.
    """

    writes: tuple[Write, ...]
    rolls_back: bool = False
    open_for: float = 0.0
