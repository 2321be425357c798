"""The answer to the common work, by brute force: as the definition says it, and slow."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date

from bench.work import Row, instant

Pair = tuple[str, str, date]
"""A pipeline, the first of two stages that follow each other, and a day in UTC."""


def brute_force(rows: Iterable[Row]) -> dict[Pair, tuple[int, int]]:
    """Return entered and converted deals of each pair that any deal has entered."""
    entries = defaultdict(list)
    pipelines = {}
    for row in rows:
        pipelines[row.pipeline.id] = row.pipeline
        day = instant(row.entered_at).date()
        entries[row.pipeline.id, row.deal_id, day, row.stage_id].append(row.entered_at)
    entered: Counter[Pair] = Counter()
    converted: Counter[Pair] = Counter()
    for (pipeline, deal, day, stage), instants in entries.items():
        stages = pipelines[pipeline].stages
        place = stages.index(stage)
        if place + 1 == len(stages):
            continue
        pair = pipeline, stage, day
        entered[pair] += 1
        later = entries.get((pipeline, deal, day, stages[place + 1]))
        converted[pair] += later is not None and min(later) > min(instants)
    return {pair: (entered[pair], converted[pair]) for pair in entered}
