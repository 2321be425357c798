"""The job itself, for the contenders in Python: which stage is which, and what an entry changes."""

import os
import time
from pathlib import Path
from typing import NamedTuple

KAFKA = os.environ.get("BENCH_KAFKA", "")
TOPIC = os.environ.get("BENCH_TOPIC", "")
FACTS = os.environ.get("BENCH_FACTS", "")
GROUP = os.environ.get("BENCH_GROUP", "")
STATE = os.environ.get("BENCH_STATE", "")

STAGES_QUERY = "select id, tenant_id, pipeline_id from bench.stage order by pipeline_id, display_order"

Entries = list[str | None]
"""A deal's first entry into each stage of its pipeline in one day: instants as text that sorts by time."""


class Stage(NamedTuple):
    """A stage and its place in its pipeline."""

    tenant_id: str
    pipeline_id: str
    place: int
    siblings: list[str]  # the pipeline's stages in order, this one among them


class Delta(NamedTuple):
    """What an entry adds to the counts of the pair of stages `pair` and `pair + 1`."""

    pair: int
    entered: int
    converted: int


def stages(rows: list[tuple[object, object, object]]) -> dict[str, Stage]:
    """Return the stages by id, from the rows of STAGES_QUERY."""
    siblings: dict[str, list[str]] = {}
    found = {}
    for stage, tenant, pipeline in rows:
        order = siblings.setdefault(str(pipeline), [])
        found[str(stage)] = Stage(str(tenant), str(pipeline), len(order), order)
        order.append(str(stage))
    return found


def enter(entries: Entries, place: int, at: str) -> list[Delta] | None:
    """Note an entry in `entries`; return what it changes, None where an earlier one is known.

    `at` is Debezium's text without its Z: fractions of any length then sort by time.
    """
    known = entries[place]
    if known is not None and known <= at:
        return None
    deltas = []
    if place + 1 < len(entries):
        later = entries[place + 1]
        converted = 0 if later is None else (later > at) - (known is not None and later > known)
        deltas.append(Delta(place, known is None, converted))
    if place:
        earlier = entries[place - 1]
        if earlier is not None:
            converted = (at > earlier) - (known is not None and known > earlier)
            if converted:
                deltas.append(Delta(place - 1, 0, converted))
    entries[place] = at
    return deltas


def mark_first() -> None:
    """Say that the first record is there."""
    mark = Path(os.environ["BENCH_FIRST"])
    if not mark.exists():
        mark.write_text(str(time.time()))
