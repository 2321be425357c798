"""What the simulated CRM writes: rows, kinds of writes, transactions."""

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
    """A deal's stay in a stage, as the table will have it."""

    id: UUID
    tenant_id: UUID
    deal_id: UUID
    pipeline_id: UUID
    stage_id: UUID


@dataclass(frozen=True, slots=True)
class Write:
    """One row written. `back` is in seconds: how long ago an inserted row was entered, or how far back it is moved."""

    kind: Kind
    row: Row
    back: float = 0.0


@dataclass(frozen=True, slots=True)
class Transaction:
    """Writes that become visible as one, `open_for` seconds after the last of them, or never; each row once."""

    writes: tuple[Write, ...]
    rolls_back: bool = False
    open_for: float = 0.0
