"""The comparison of streamed facts with the canonical SQL."""

from streams.reconciliation.job import OUTCOMES, Job, OnRound, Round
from streams.reconciliation.ledger import LedgerReading, read_ledger
from streams.reconciliation.reconcile import reconcile
from streams.reconciliation.result import ClosedRun, Difference, ReconcileResult

__all__ = [
    "OUTCOMES",
    "ClosedRun",
    "Difference",
    "Job",
    "LedgerReading",
    "OnRound",
    "ReconcileResult",
    "Round",
    "read_ledger",
    "reconcile",
]
