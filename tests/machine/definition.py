"""What counts and profiles are, read off the definition and nothing else: rows, first entries, pairs, buckets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from streams.domain.profile import Profile
from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import Window
from tests.fakes.changes import StageEntry

PLACES = [(bucket, bucket + age) for age in range(12) for bucket in range(12 - age)]


def profiles_of(
    rows: Iterable[tuple[object, StageEntry]], windows: Mapping[str, Sequence[Window]]
) -> dict[TallyKey, Profile]:
    """Profile the deals of some rows (deal, entry) in the windows that each tenant has."""
    first: dict[tuple[object, WindowScope], dict[str, int]] = {}
    for deal, entry in rows:
        for window in windows[entry.scope.tenant_id]:
            if window.start <= entry.at < window.end:
                stages = first.setdefault((deal, WindowScope(entry.scope, window)), {})
                stages[entry.stage_id] = min(entry.at, stages.get(entry.stage_id, entry.at))
    deals: Counter[tuple[TallyKey, tuple[int, int]]] = Counter()
    for (_, where), stages in first.items():
        buckets = {stage: bucket(where.window, at) for stage, at in stages.items()}
        for a, entered_a in stages.items():
            for b, entered_b in stages.items():
                if a == b or entered_b > entered_a:
                    deals[TallyKey(where, a, b), (buckets[a], buckets[b])] += 1
    profiles: Counter[TallyKey] = Counter()
    for (key, place), count in deals.items():
        profiles[key] += count * 10 ** (8 * PLACES.index(place))
    return dict(profiles)


def bucket(window: Window, at: int) -> int:
    """The last of a window's twelve buckets that has begun."""
    length = window.end - window.start
    return max(number for number in range(12) if (at - window.start) * 12 >= number * length)


def counts_in(profiles: Mapping[TallyKey, Profile]) -> dict[TallyKey, int]:
    """How many deals each profile has: the sum of its places, eight digits each."""
    return {
        key: sum(int(str(profile)[max(end - 8, 0) : end]) for end in range(len(str(profile)), 0, -8))
        for key, profile in profiles.items()
        if profile
    }
