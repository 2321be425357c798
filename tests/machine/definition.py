"""What counts are, read off the definition and nothing else: rows, first entries, pairs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import Window
from tests.fakes.changes import StageEntry


def counts_of(
    rows: Iterable[tuple[object, StageEntry]], windows: Mapping[str, Sequence[Window]]
) -> dict[TallyKey, int]:
    """Count the deals of some rows (deal, entry) in the windows that each tenant has."""
    first: dict[tuple[object, WindowScope], dict[str, int]] = {}
    for deal, entry in rows:
        for window in windows[entry.scope.tenant_id]:
            if window.start <= entry.at < window.end:
                stages = first.setdefault((deal, WindowScope(entry.scope, window)), {})
                stages[entry.stage_id] = min(entry.at, stages.get(entry.stage_id, entry.at))
    counts: Counter[TallyKey] = Counter()
    for (_, where), stages in first.items():
        for a, entered_a in stages.items():
            counts[TallyKey(where, a, a)] += 1
            for b, entered_b in stages.items():
                if entered_b > entered_a:
                    counts[TallyKey(where, a, b)] += 1
    return dict(counts)
