"""The numbers that people see, and the rules around the detector."""

from fractions import Fraction

import numpy as np
import pytest
import scipy  # `scipy.stats` is imported at its first use: the import takes a second

from streams.domain.detection.account import account, odds
from streams.domain.detection.calibration import Meter
from streams.domain.detection.floor import Floor
from streams.domain.detection.generated import Traffic
from streams.domain.detection.lifecycle import Lifecycle, Phase, State
from streams.domain.detection.look import Look
from streams.domain.detection.profile import BUCKETS, Reals
from streams.domain.detection.sensitivity import evidence_growth, smallest_drop, traffic_growth
from streams.domain.detection.shapes import SHAPES
from tests.unit.domain.detection.known import at_once, entered_first


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.7])
@pytest.mark.parametrize("entered", [50, 200, 2000])
def test_the_interval_holds_95_of_100_windows_without_a_drop(rate: float, entered: int) -> None:
    numbers = account(entered_first(entered, np.array([0])), at_once(1, rate, 0.1), BUCKETS - 1)
    size = (1 - rate) / (rate * 0.1**2) - 1
    window = scipy.stats.betabinom(entered, rate * size, (1 - rate) * size)
    inside = window.cdf(np.floor(numbers.high[0])) - window.cdf(np.ceil(numbers.low[0]) - 1)
    assert 0.93 <= inside <= 0.99
    assert numbers.expected[0] == pytest.approx(entered * rate)


def test_the_account_has_what_was_seen_and_the_fall() -> None:
    numbers = account(entered_first(100, np.array([21])), at_once(1, 0.3, 0.1), BUCKETS - 1)
    assert (numbers.entered[0], numbers.converted[0]) == (100, 21)
    assert numbers.drop[0] == pytest.approx(0.3)


def test_odds_have_two_digits() -> None:
    assert [odds(value) for value in (-1.0, 0.0, 8.4, 99.0)] == [1, 1, 4400, 1_000_000_000]


def test_the_smallest_drop_shrinks_with_time_and_with_traffic() -> None:
    def smallest(entered: int, windows: float) -> float:
        return smallest_drop(evidence_growth(entered, 0.2, 0.01, 0.3), np.log(3652.5), windows) or 1.0

    assert smallest(200, 30) < smallest(200, 7) < smallest(200, 1)
    assert smallest(1000, 7) < smallest(200, 7) < smallest(50, 7)
    assert 0.2 < smallest(200, 7) < 0.4
    assert smallest_drop(evidence_growth(2, 0.2, 0.01, 0.3), np.log(3652.5), 1) is None


def test_a_meter_flags_a_share_that_is_above_5_percent_and_no_chance() -> None:
    assert not Meter(14, 2).flagged
    assert not Meter(1000, 50).flagged
    assert Meter().with_windows(500, 50).with_windows(500, 60).flagged
    assert Meter(200, 10).share == 0.05


def test_the_meter_counts_the_judged_windows_that_surprise_without_the_windows_before() -> None:
    of_pairs = np.log([[30.0, 10.0, 30.0, 1e-9], [11.0, 30.0, 30.0, 1e-9]])
    nothing = np.zeros(4, bool)
    look = Look(nothing, nothing, nothing, of_pairs, nothing.astype(float), of_pairs[0])
    judged = np.array([True, True, False, True])
    assert Meter(10, 1).with_close(look, judged) == Meter(13, 3)


def test_a_floor_is_breached_below_the_rate_and_silent_with_too_few_entries() -> None:
    floor = Floor(Fraction(1, 5), 50)
    assert [floor.breached(50, converted) for converted in (9, 10)] == [True, False]
    assert floor.breached(49, 0) is None


@pytest.mark.parametrize(
    ("rate", "min_entered"), [(Fraction(0), 1), (Fraction(6, 5), 1), (Fraction(1, 5), 0)]
)
def test_a_floor_that_means_nothing_is_refused(rate: Fraction, min_entered: int) -> None:
    with pytest.raises(ValueError, match="floor"):
        Floor(rate, min_entered)


def test_an_alert_waits_before_firing_and_is_kept_after_the_recovery() -> None:
    #  at      0        5        10      11        14        20
    #  active  yes      yes      yes     no        no        no
    life, phase, states = Lifecycle(wait=10, keep=8), Phase(), []
    for at, active in ((0, True), (5, True), (10, True), (11, False), (14, False), (20, False)):
        phase = life.step(phase, at, active=active)
        states.append(phase.state)
    assert states == [State.PENDING] * 2 + [State.FIRING] * 3 + [State.INACTIVE]


def test_a_recovery_that_does_not_last_ends_no_alert() -> None:
    life, phase = Lifecycle(keep=8), Phase()
    for at, active in ((0, True), (5, False), (10, True), (14, False)):
        phase = life.step(phase, at, active=active)
    assert phase.state is State.FIRING


@pytest.mark.parametrize("shape", SHAPES)
def test_generated_traffic_is_a_profile_and_the_same_for_a_seed(shape: str) -> None:
    one, other = (list(Traffic(shape, np.array([0.2, 0.5]), 4).windows(30)) for _ in range(2))
    for left, right in zip(one, other, strict=True):
        left.check()
        assert (left.converted == right.converted).all()


def test_a_drop_leaves_the_entries_as_they_are() -> None:
    plain, fallen = (
        list(Traffic("steady", np.full(50, 0.4), 4, drop=drop, drop_at=1).windows(2)) for drop in (0.0, 0.5)
    )
    assert fallen[1].converted_count.sum() == pytest.approx(plain[1].converted_count.sum() / 2, rel=0.1)
    assert (fallen[0].converted == plain[0].converted).all()


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="steady, weekly, small, bursty, trending"):
        next(Traffic("round", np.array([0.2]), 1).windows(1))


def test_the_growth_of_evidence_is_the_mean_over_all_numbers_of_conversions() -> None:
    entered, rate, variance, drop = 60, 0.3, 0.02, 0.3
    grown = evidence_growth(entered, rate, variance, drop)

    def chances(mean: float) -> Reals:
        found = rate * mean
        size = found * (1 - found) / (found**2 * variance) - 1
        return np.array(
            scipy.stats.betabinom.pmf(np.arange(entered + 1), entered, found * size, (1 - found) * size)
        )

    for fall, place in ((0.3, 25), (0.5, 45)):
        log_e = np.log([chances(0.7), chances(0.4)]) - np.log(chances(0.95))
        assert grown[place] == pytest.approx((log_e @ chances(1 - fall)).max(), rel=0.02)


def test_the_growth_of_evidence_about_traffic_is_the_mean_over_all_numbers_of_entries() -> None:
    expected, spread, drop = 40.0, 0.02, 0.5
    grown = traffic_growth(expected, 1.0, spread, drop)
    entries = np.arange(120)

    def chances(mean: float) -> Reals:
        found = expected * mean
        return np.array(scipy.stats.nbinom.pmf(entries, 1 / spread, 1 / (1 + found * spread)))

    log_e = np.log([chances(0.5), chances(0.05)]) - np.log(chances(0.95))
    assert grown[45] == pytest.approx((log_e @ chances(0.5)).max(), rel=0.02)


def test_a_pair_that_nobody_converts_can_never_fire() -> None:
    assert evidence_growth(200, 0.0, 0.01, 0.3).max() <= 0
    assert evidence_growth(10, 0.5, 0.01, 0.3).max() > 0
