"""Weekly windows with one slot keep these tests short; the season has tests of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pytest

from streams.domain.detection.cusum import log_threshold
from streams.domain.detection.detector import Detector, Look
from streams.domain.detection.evidence import DropTest
from streams.domain.detection.expectation import LEARNING
from streams.domain.detection.generated import Traffic
from streams.domain.detection.profile import BUCKETS, Counts, Profile
from streams.domain.detection.recent import COUNTED, OUT, WAITING
from streams.domain.detection.season import season_of

WEEK = 7 * 86_400_000_000
PAIRS = 12
ALL: Counts = np.arange(PAIRS)
NORMAL = 40


def detector() -> Detector:
    return Detector(PAIRS, season_of("week"), DropTest(0.3), log_threshold(5, 3_600_000_000, 1.0))


def passes(detector: Detector, number: int, profile: Profile) -> Look:
    """Let a window pass, with a look at the end of every bucket; return all that happened in the window."""
    detector.open(number * WEEK, 0)
    looks = [detector.look(profile, bucket) for bucket in range(BUCKETS - 1)]
    looks.append(detector.close(profile))
    fired, resolved, adopted = (
        np.logical_or.reduce([getattr(look, name) for look in looks])
        for name in ("fired", "resolved", "adopted")
    )
    return Look(fired, resolved, adopted, looks[-1].log_e, looks[-1].log_evidence)


def windows(drop: float, *, seed: int = 2, rate: float = 0.5, count: int = NORMAL + 30) -> list[Profile]:
    return list(Traffic("steady", np.full(PAIRS, rate), seed, drop=drop, drop_at=NORMAL).windows(count))


@dataclass
class Story:
    """A detector, and what happened in each window."""

    detector: Detector
    looks: list[Look]
    profiles: list[Profile]


def told(profiles: list[Profile]) -> Story:
    story = Story(detector(), [], profiles)
    story.looks.extend(passes(story.detector, number, profile) for number, profile in enumerate(profiles))
    return story


def count(looks: list[Look], name: str) -> int:
    return int(sum(getattr(look, name).sum() for look in looks))


@pytest.fixture(scope="module")
def halved() -> Story:
    """Half of the conversions are lost in windows 40 to 44."""
    return told(windows(0.5, count=NORMAL + 5))


def fresh(story: Story) -> Story:
    return told(story.profiles)


def test_a_halved_rate_fires_once_in_every_pair(halved: Story) -> None:
    assert count(halved.looks[:NORMAL], "fired") == 0
    assert all(count([look], "fired") <= PAIRS for look in halved.looks)
    assert count(halved.looks[NORMAL:], "fired") == PAIRS
    assert halved.detector.firing.all()


def test_an_alert_says_since_when(halved: Story) -> None:
    assert np.median(halved.detector.since) == NORMAL * WEEK


def test_windows_of_a_drop_stay_out_of_the_baseline(halved: Story) -> None:
    status = halved.detector.recent.status_of((NORMAL + 2) * WEEK)
    assert status is not None
    assert (status == WAITING).all()
    rate = halved.detector.baseline.converted.sum((1, 2)) / halved.detector.baseline.entered.sum((1, 2))
    assert rate == pytest.approx(np.full(PAIRS, rate.mean()), rel=0.1)
    normal = told(windows(0.0, count=NORMAL)).detector.baseline
    assert rate.mean() == pytest.approx((normal.converted.sum() / normal.entered.sum()), rel=0.01)


def test_an_alert_resolves_after_the_recovery() -> None:
    story = told(windows(0.5, count=NORMAL + 5) + windows(0.0, seed=9, count=10))
    assert count(story.looks, "resolved") == PAIRS
    assert not story.detector.firing.any()
    status = story.detector.recent.status_of((NORMAL + 2) * WEEK)
    assert status is not None
    assert (status == OUT).all()


def test_a_drop_that_stays_is_adopted_and_not_resolved_before() -> None:
    story = told(windows(0.5, count=NORMAL + LEARNING + 4))
    assert count(story.looks, "adopted") == PAIRS
    assert count(story.looks, "resolved") == 0
    assert count(story.looks, "fired") == PAIRS


def test_a_detector_that_learns_never_fires() -> None:
    nothing = Traffic("steady", np.full(PAIRS, 0.5), 2, drop=0.99, drop_at=LEARNING - 1)
    assert count(told(list(nothing.windows(LEARNING))).looks, "fired") == 0


def test_a_state_does_not_grow_with_time() -> None:
    def size(one: Detector) -> int:
        sums = [getattr(one.baseline, field.name) for field in fields(one.baseline)]
        return int(sum(array.nbytes for array in [*sums, one.recent.entered, one.recent.status]))

    assert size(told(windows(0.0, count=30)).detector) == size(detector())


def excursion(story: Story) -> Iterator[tuple[int, int, Profile]]:
    since = int(story.detector.since.min())
    for number in range(since // WEEK, len(story.profiles)):
        yield number * WEEK, 0, story.profiles[number]


def test_an_excursion_scored_again_has_the_evidence_that_was_found_live(halved: Story) -> None:
    same = np.flatnonzero(halved.detector.since == NORMAL * WEEK)
    live = np.max([look.log_evidence for look in halved.looks[NORMAL:]], axis=0)
    again = halved.detector.rescore(
        ALL, ((s, slot, p) for s, slot, p in excursion(halved) if s >= NORMAL * WEEK)
    )
    assert len(same) > PAIRS / 2
    assert (again[same] >= live[same] - 1e-6).all()
    assert (again[same] >= halved.detector.log_threshold).all()


def test_an_alert_that_a_revision_undoes_is_retracted() -> None:
    story = told(windows(0.5, count=NORMAL + 3))
    corrected = windows(0.0, count=NORMAL + 3)
    firing = story.detector.firing.copy()
    for number in range(NORMAL, NORMAL + 3):
        status = story.detector.recent.status_of(number * WEEK)
        assert status is not None
        story.detector.revise(number * WEEK, 0, story.profiles[number], corrected[number], status)
    story.profiles[NORMAL:] = corrected[NORMAL:]
    again = story.detector.rescore(ALL, excursion(story))
    undone = firing & (again < story.detector.log_threshold)
    assert undone.sum() == firing.sum() > 0
    story.detector.retract(undone)
    assert not story.detector.firing.any()
    status = story.detector.recent.status_of(NORMAL * WEEK)
    assert status is not None
    assert (status[undone] == COUNTED).all()


def test_a_revised_window_counts_as_if_it_had_always_been_so() -> None:
    before, after = windows(0.0, count=20), windows(0.0, count=20)
    after[4] = Profile(after[4].entered, after[4].converted // 2)
    one, other = told(before).detector, told(after).detector
    status = one.recent.status_of(4 * WEEK)
    assert status is not None
    one.revise(4 * WEEK, 0, before[4], after[4], status)
    alike = (one.windows == 0) & (other.windows == 0)
    assert alike.sum() > PAIRS / 2
    np.testing.assert_allclose(one.baseline.converted[alike], other.baseline.converted[alike], atol=1e-9)
    np.testing.assert_allclose(one.variation[alike], other.variation[alike], rtol=1e-5)


def test_a_window_must_be_opened_before_the_close() -> None:
    with pytest.raises(RuntimeError, match="opened"):
        detector().close(Profile.empty(PAIRS))
