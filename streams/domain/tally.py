"""What a deal contributes to a window's counts, and the counts of many deals.

A deal's *first entry* into a stage within a window is the earliest `entered_at` of its rows for that stage that
lies in the window. A deal *entered* every stage it has a first entry for, and *converted* from a to b when its
first entry into b is strictly later than its first entry into a.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.domain.change import Scope, StageEntry
from streams.domain.windows import Window

Step = tuple[str, str]
"""`(from_stage, to_stage)`; a stage paired with itself stands for having entered it."""


class WindowScope(NamedTuple):
    """One window of one tenant's pipeline: what a run reports on."""

    scope: Scope
    window: Window


class TallyKey(NamedTuple):
    """One count: deals that made the step `from_stage` to `to_stage`, or entered it where both are the same."""

    where: WindowScope
    from_stage: str
    to_stage: str


def first_entries(entries: Iterable[StageEntry | None], where: WindowScope) -> dict[str, int]:
    """Return per stage the earliest entry of one deal within the window; None stands for a deleted row."""
    scope, window = where
    first: dict[str, int] = {}
    for entry in entries:
        if entry is None or entry.scope != scope or not window.start <= entry.at < window.end:
            continue
        earliest = first.get(entry.stage_id)
        if earliest is None or entry.at < earliest:
            first[entry.stage_id] = entry.at
    return first


def contribution(first: Mapping[str, int]) -> set[Step]:
    """Return the pairs one deal counts for, given its first entries: itself each stage, and each later stage."""
    steps = {(stage, stage) for stage in first}
    steps.update(
        (a, b) for a, entered_a in first.items() for b, entered_b in first.items() if entered_b > entered_a
    )
    return steps
