"""The explanation of differences: from a pair of stages to the deals, to the rows, to the records of the log."""

from streams.explaining.explain import Explanation, explain, explain_differences
from streams.explaining.finding import ConcernedRow, Fault, Finding, Witnesses

__all__ = [
    "ConcernedRow",
    "Explanation",
    "Fault",
    "Finding",
    "Witnesses",
    "explain",
    "explain_differences",
]
