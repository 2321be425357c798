"""The relative fall of a rate that is no drop."""

TOLERATED = 0.05
"""The fall under which the null still holds: a twentieth is not worth an alert, and baselines are a little late."""
