"""Weekly windows with one slot keep these tests short; the season has tests of its own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from streams.domain.detection.cusum import log_threshold
from streams.domain.detection.detector import Detector
from streams.domain.detection.evidence import DropTest
from streams.domain.detection.expectation import LEARNING
from streams.domain.detection.generated import Traffic
from streams.domain.detection.look import Look
from streams.domain.detection.profile import BUCKETS, Profile
from streams.domain.detection.recent import COUNTED, OUT, WAITING
from streams.domain.detection.replay import replay
from streams.domain.detection.season import season_of
from streams.domain.detection.waiting import Waiting
from tests.unit.domain.detection.known import every

WEEK = 7 * 86_400_000_000
PAIRS = 12
ALL = every(PAIRS)
NORMAL = 40


def detector() -> Detector:
    return Detector.empty(PAIRS, season_of("week"), DropTest(0.3), log_threshold(5, 3_600_000_000, 1.0))


def passes(detector: Detector, number: int, profile: Profile) -> Look:
    """Let a window pass, with a look at the end of every bucket; return all that happened in the window."""
    looks = [look for _, _, look in replay(detector, [(number * WEEK, profile)])]
    fired, resolved, adopted = (
        np.logical_or.reduce([getattr(look, name) for look in looks])
        for name in ("fired", "resolved", "adopted")
    )
    greatest = np.max([look.log_evidence for look in looks], axis=0)
    return Look(fired, resolved, adopted, looks[-1].log_e, looks[-1].log_recovery, greatest)


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
    assert halved.detector.state.firing.all()


def test_an_alert_says_since_when(halved: Story) -> None:
    assert np.median(halved.detector.state.since) == NORMAL * WEEK


def test_windows_of_a_drop_stay_out_of_the_baseline(halved: Story) -> None:
    status = halved.detector.status_of((NORMAL + 2) * WEEK)
    assert (status == WAITING).all()
    rate = halved.detector.state.baseline.converted.sum(1) / halved.detector.state.baseline.entered.sum(1)
    assert rate == pytest.approx(np.full(PAIRS, rate.mean()), rel=0.1)
    normal = told(windows(0.0, count=NORMAL)).detector.state.baseline
    assert rate.mean() == pytest.approx((normal.converted.sum() / normal.entered.sum()), rel=0.01)


def test_an_alert_resolves_after_the_recovery() -> None:
    story = told(windows(0.5, count=NORMAL + 5) + windows(0.0, seed=9, count=10))
    assert count(story.looks, "resolved") == PAIRS
    assert not story.detector.state.firing.any()
    status = story.detector.status_of((NORMAL + 2) * WEEK)
    assert (status == OUT).all()
    for number, look in enumerate(story.looks):
        assert (story.detector.status_of(number * WEEK)[look.resolved] == OUT).all()


def test_a_drop_that_stays_is_adopted_and_not_resolved_before() -> None:
    story = told(windows(0.5, count=NORMAL + LEARNING + 4))
    assert count(story.looks, "adopted") == PAIRS
    assert count(story.looks, "resolved") == 0
    assert count(story.looks, "fired") == PAIRS
    sums, plain = story.detector.state.baseline, told(windows(0.0, count=NORMAL)).detector.state.baseline
    before = plain.converted.sum(1) / plain.entered.sum(1)
    assert sums.converted.sum(1) / sums.entered.sum(1) == pytest.approx(before / 2, rel=0.15)


def test_a_detector_that_learns_never_fires() -> None:
    nothing = Traffic("steady", np.full(PAIRS, 0.5), 2, drop=0.99, drop_at=LEARNING - 1)
    assert count(told(list(nothing.windows(LEARNING))).looks, "fired") == 0


def test_a_state_does_not_grow_with_time() -> None:
    def size(one: Detector) -> int:
        one.state.waiting = Waiting.empty(PAIRS, 1)
        return len(b"".join(one.snapshot()))

    assert (
        abs(size(told(windows(0.0, count=60)).detector) - size(told(windows(0.0, count=20)).detector)) < 200
    )


def excursion(story: Story, since: int) -> Iterator[tuple[int, int, Profile]]:
    for number in range(since, len(story.profiles)):
        yield number * WEEK, BUCKETS, story.profiles[number]


def test_an_excursion_scored_again_has_the_evidence_that_was_found_live(halved: Story) -> None:
    same = np.flatnonzero(halved.detector.state.since == NORMAL * WEEK)
    live = np.max([look.log_evidence for look in halved.looks[NORMAL:]], axis=0)
    evidence = halved.detector.state.log_s.copy()
    again = halved.detector.rescore(same, ((s, e, p[same]) for s, e, p in excursion(halved, NORMAL)))
    assert len(same) > PAIRS / 2
    assert (again >= live[same] - 1e-6).all()
    assert halved.detector.state.log_s == pytest.approx(evidence)
    assert halved.detector.state.firing.all()


def test_an_alert_that_a_revision_undoes_is_retracted() -> None:
    story = told(windows(0.5, count=NORMAL + 3))
    corrected = windows(0.0, count=NORMAL + 3)
    firing = story.detector.state.firing.copy()
    since = int(story.detector.state.since[firing].min()) // WEEK
    for number in range(NORMAL, NORMAL + 3):
        affected = story.detector.revise(number * WEEK, ALL, story.profiles[number], corrected[number])
        assert (affected == (story.detector.state.since <= number * WEEK)).all()
    story.profiles[NORMAL:] = corrected[NORMAL:]
    again = story.detector.rescore(ALL, excursion(story, since))
    undone = firing & (again < story.detector.log_threshold)
    assert undone.sum() == firing.sum() > 0
    story.detector.retract(undone)
    assert not story.detector.state.firing.any()
    assert (story.detector.status_of(NORMAL * WEEK)[undone] == COUNTED).all()


def test_an_excursion_scored_again_goes_on_with_the_evidence_that_is_left() -> None:
    story = told(windows(0.5, count=NORMAL + 3))
    weaker = windows(0.4, count=NORMAL + 3)
    rows = np.flatnonzero(story.detector.state.since == NORMAL * WEEK)
    before = story.detector.state.log_s[:, rows].copy()
    story.detector.rescore(rows, [(n * WEEK, BUCKETS, weaker[n][rows]) for n in range(NORMAL, NORMAL + 3)])
    assert len(rows)
    assert (story.detector.state.log_s[1, rows] < before[1]).mean() > 0.8


def test_a_suspicion_that_a_revision_undoes_ends() -> None:
    story = told(windows(0.5, count=NORMAL + 1))
    suspected = np.flatnonzero(~story.detector.state.firing & (story.detector.state.since == NORMAL * WEEK))
    calm = windows(0.0, seed=5, count=1)[0][suspected]
    calm = Profile(
        calm.entered, np.minimum(2 * calm.converted, calm.entered[:, :, None] * (calm.converted > 0))
    )
    assert (story.detector.state.windows[suspected] == 1).all()
    assert len(suspected)
    story.detector.rescore(suspected, [(NORMAL * WEEK, BUCKETS, calm)])
    assert not story.detector.state.windows[suspected].any()
    assert (story.detector.status_of(NORMAL * WEEK)[suspected] == COUNTED).all()


@pytest.mark.parametrize("revised", [4, 21, 39])
def test_a_revised_window_counts_as_if_it_had_always_been_so(revised: int) -> None:
    before, after = windows(0.0, count=NORMAL), windows(0.0, count=NORMAL)
    after[revised] = Profile(after[revised].entered, after[revised].converted // 2)
    one, other = told(before).detector, told(after).detector
    one.revise(revised * WEEK, ALL, before[revised], after[revised])
    both = [of.status_of(number * WEEK) == COUNTED for of in (one, other) for number in range(NORMAL)]
    alike = np.logical_and.reduce(both)
    assert alike.sum() > 0 or revised == 39
    for each in (one, other):
        each.open(NORMAL * WEEK)
    for mine, theirs in zip(
        one.state.baseline.arrays().values(), other.state.baseline.arrays().values(), strict=True
    ):
        np.testing.assert_allclose(mine[alike], theirs[alike], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(one.state.measured[:, alike], other.state.measured[:, alike], rtol=1e-3)


def test_windows_open_and_close_in_turn() -> None:
    one = detector()
    with pytest.raises(ValueError, match="no window is open"):
        one.close(Profile.empty(PAIRS))
    one.open(WEEK)
    with pytest.raises(ValueError, match="close the window"):
        one.open(2 * WEEK)
    with pytest.raises(ValueError, match="not closed"):
        one.revise(WEEK, ALL, Profile.empty(PAIRS), Profile.empty(PAIRS))
    one.close(Profile.empty(PAIRS))
    with pytest.raises(ValueError, match="forward in time"):
        one.open(WEEK)


def test_a_revision_of_one_pair_leaves_the_other_pairs_as_they_are() -> None:
    profiles = windows(0.0, count=NORMAL)
    one, other = told(profiles).detector, told(profiles).detector
    some, rest = np.array([3, 5]), np.setdiff1d(ALL, [3, 5])
    after = Profile(profiles[20].entered[some], profiles[20].converted[some] // 2)
    one.revise(20 * WEEK, some, profiles[20][some], after)
    for part in ("baseline", "recent"):
        mine, theirs = (getattr(of.state, part).arrays() for of in (one, other))
        of_pairs = [name for name, array in mine.items() if len(array) == PAIRS]
        assert all(np.array_equal(mine[name][rest], theirs[name][rest]) for name in of_pairs)
        assert not all(np.array_equal(mine[name][some], theirs[name][some]) for name in of_pairs)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_history_that_comes_in_any_order_makes_the_same_alerts(seed: int) -> None:
    """Windows are published empty and corrected in a random order; then the rate is halved."""
    order = np.random.default_rng(seed).permutation(NORMAL).tolist()
    profiles = windows(0.5, count=NORMAL + 4)
    usual, nothing = told(profiles[:NORMAL]).detector, Profile.empty(PAIRS)
    permuted = told([nothing] * NORMAL).detector
    for number in order:
        permuted.revise(number * WEEK, ALL, nothing, profiles[number])
    counted = [usual.status_of(number * WEEK) == COUNTED for number in range(NORMAL)]
    alike = np.logical_and.reduce(counted)
    assert alike.sum() > PAIRS / 2
    for number in range(NORMAL, NORMAL + 4):
        one, two = (passes(of, number, profiles[number]) for of in (usual, permuted))
        assert np.array_equal(one.fired[alike], two.fired[alike])
        np.testing.assert_allclose(one.log_evidence[alike], two.log_evidence[alike], rtol=0.01, atol=0.01)
    assert usual.state.firing[alike].all()
