"""Streamed facts against the canonical SQL."""

from streams.reconciliation.reconcile import reconcile
from streams.reconciliation.result import ClosedRun, Difference, ReconcileResult, ReconcileScope

__all__ = ["ClosedRun", "Difference", "ReconcileResult", "ReconcileScope", "reconcile"]
