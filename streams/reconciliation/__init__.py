"""The comparison of streamed facts with the canonical SQL."""

from streams.reconciliation.job import Job
from streams.reconciliation.reconcile import reconcile
from streams.reconciliation.result import ClosedRun, Difference, ReconcileResult

__all__ = ["ClosedRun", "Difference", "Job", "ReconcileResult", "reconcile"]
