"""Outcomes of the benchmark."""

from bench.race import Outcome

OURS = Outcome(
    contender="ours",
    mode="as it is",
    durable="yes: fenced",
    events=1_000_000,
    exact=True,
    differing_rows=0,
    reached=1.0,
    seconds=9.0,
    seconds_from_first=5.0,
    cpu_seconds=6.0,
    cpu_before_first=1.0,
    peak_mib=400.0,
)
