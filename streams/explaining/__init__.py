"""The explanation of differences: from a pair of stages to the deals, to the rows, to the records of the log."""

from streams.explaining.finding import ConcernedRow, Fault, Finding, Witnesses

__all__ = ["ConcernedRow", "Fault", "Finding", "Witnesses"]
