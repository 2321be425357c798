import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Decay, Moment
from streams.domain.detection.expectation import Expectation, expectation, rates
from streams.domain.detection.generated import Traffic
from streams.domain.detection.knots import at_knots, knots_of
from streams.domain.detection.profile import Profile, Reals
from streams.domain.detection.recent import COUNTED, LEAST, RECENT, WAITING, Recent
from streams.domain.detection.season import season_of
from tests.depth import examples
from tests.unit.domain.detection.known import at_level, every

DAY = 86_400_000_000
SEASON = season_of("day")
PAIRS = every(2)


def drawn(random: np.random.Generator) -> Profile:
    entered = random.integers(0, 30, (2, 12))
    converted = np.triu(random.multinomial(entered, [0.05] * 12 + [0.4])[:, :, :12])
    return Profile(entered, converted)


def assert_equal(one: Baseline, other: Baseline) -> None:
    for mine, theirs in zip(one.arrays().values(), other.arrays().values(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5 * max(1.0, float(theirs.max())))


@settings(max_examples=examples(100))
@given(st.integers(0, 2**32), st.lists(st.integers(0, 29), max_size=10), st.integers(29, 900))
def test_a_revised_baseline_is_the_one_computed_anew(seed: int, revised: list[int], today: int) -> None:
    random = np.random.default_rng(seed)
    profiles = [drawn(random) for _ in range(30)]
    kept, decay = Baseline.empty(2, SEASON.slots), Decay(SEASON.half_life, 0)
    for day, profile in enumerate(profiles):
        kept.add(PAIRS, day % 7, profile, decay.weight(day * DAY))
    decay, by = decay.moved(today * DAY)
    kept.scale(by)
    for day in revised:
        kept.remove(PAIRS, day % 7, profiles[day], decay.weight(day * DAY))
        profiles[day] = drawn(random)
        kept.add(PAIRS, day % 7, profiles[day], decay.weight(day * DAY))
    anew = Baseline.empty(2, SEASON.slots)
    for day in random.permutation(30):
        anew.add(PAIRS, day % 7, profiles[day], decay.weight(int(day) * DAY))
    assert_equal(kept, anew)
    for slot in range(7):
        moment = Moment(slot, decay.weight(today * DAY), SEASON.half_life)
        one, other = (
            expectation(sums, rates(sums, moment), at_level(0.01, 2), moment) for sums in (kept, anew)
        )
        np.testing.assert_allclose(one.likely, other.likely, rtol=1e-4)
        np.testing.assert_allclose(one.spread, other.spread, rtol=1e-3)


def test_moving_the_landmark_changes_no_ratio_of_weights() -> None:
    decay = Decay(SEASON.half_life, 0)
    for today in (1, 400, 447, 448, 449, 5000):
        moved, by = decay.moved(today * DAY)
        for day in (0, 1, 300):
            assert moved.weight(day * DAY) == pytest.approx(decay.weight(day * DAY) * by)
        assert moved.weight(today * DAY) < 2**17


@given(st.lists(st.integers(0, 10**5), min_size=12, max_size=12), st.floats(0, 1), st.floats(0, 0.01))
def test_five_knots_have_the_expected_conversions_of_twelve_buckets(
    entered: list[int], rate: float, loss: float
) -> None:
    straight = rate * (1 - loss * np.arange(12))[None].astype(np.float32)
    found = (at_knots(np.array([entered])) * knots_of(straight)).sum()
    assert found == pytest.approx((np.array(entered) * straight).sum(), rel=1e-4, abs=1e-3)


def test_five_knots_follow_a_rate_that_falls_at_the_end_of_a_window() -> None:
    rate = (0.4 * (1 - np.exp(-np.arange(12, 0, -1) / 2)))[None]
    exact = (100 * rate).sum()
    assert (at_knots(np.full((1, 12), 100)) * knots_of(rate)).sum() == pytest.approx(exact, rel=0.01)


def learned_from(traffic: Traffic, windows: int) -> tuple[Baseline, Recent]:
    pairs, season = len(traffic.rates), season_of("hour")
    baseline, recent = Baseline.empty(pairs, season.slots), Recent.empty(pairs)
    for number, profile in enumerate(traffic.windows(windows)):
        slot = number % 24 + 24 * (number // 24 % 7 >= 5)
        baseline.add(every(pairs), slot, profile, 1.0)
        recent.put(number, slot, profile, np.full(pairs, COUNTED, np.int8))
    return baseline, recent


def expected(baseline: Baseline, slot: int) -> Expectation:
    moment = Moment(slot, 1.0, season_of("hour").half_life)
    return expectation(baseline, rates(baseline, moment), at_level(LEAST, len(baseline.windows)), moment)


def test_a_baseline_learns_rates_and_seasons() -> None:
    rates = np.repeat(0.3, 20)
    baseline, _ = learned_from(Traffic("weekly", rates, 1), 28 * 24)
    hours = {hour: expected(baseline, hour).likely[-1, :, 0].mean() for hour in (0, 12, 24)}
    assert abs(hours[12] / 0.3 - 1.25) < 0.05
    assert abs(hours[0] / 0.3 - 0.75) < 0.05
    assert abs(hours[24] / 0.3 - 0.55) < 0.08


def test_the_delays_of_the_first_bucket_are_those_of_the_generator() -> None:
    baseline, _ = learned_from(Traffic("steady", np.repeat(0.4, 10), 1), 200)
    delays = np.exp(-np.arange(12) / 2)
    true = 0.4 * np.cumsum(delays) / delays.sum()
    np.testing.assert_allclose(expected(baseline, 0).likely[:, :, 0].mean(1), true, rtol=0.05)


def measured(recent: Recent, rate: float) -> Reals:
    pairs = len(recent.status)
    return recent.conversions_measured(np.full((pairs, 12), rate), np.ones((pairs, 1)), 40)


def variations(recent: Recent, rate: float) -> Reals:
    deviations: Reals = np.sqrt(measured(recent, rate)[0])
    return deviations


def filled(variation: float, entered: int, *, pairs: int = 40, outlier: bool = False) -> Recent:
    random, recent = np.random.default_rng(3), Recent.empty(pairs)
    for window in range(RECENT):
        profile = Profile.empty(pairs)
        profile.entered[:, 0] = entered
        theta = random.gamma(variation**-2, variation**2, pairs)
        rate = 0.0 if outlier and window == 7 else np.minimum(0.3 * theta, 0.99)
        profile.converted[:, 0, 0] = random.binomial(entered, rate, pairs)
        recent.put(window, 0, profile, np.full(pairs, COUNTED, np.int8))
    return recent


def test_the_variation_between_windows_is_found() -> None:
    for variation in (0.1, 0.2, 0.3):
        found = float(np.median(variations(filled(variation, 300), 0.3)))
        assert variation * 0.97 < found < variation * 1.25


def test_a_coin_has_the_least_variation() -> None:
    assert np.median(variations(filled(0.001, 2000), 0.3)) <= 0.0501


def test_one_window_without_conversions_does_not_hide_later_drops() -> None:
    assert np.median(variations(filled(0.1, 300, outlier=True), 0.3)) < 0.14


def test_the_oldest_window_makes_place() -> None:
    recent = Recent.empty(1)
    for window in range(RECENT + 1):
        recent.put(window, 0, Profile.empty(1), np.full(1, WAITING, np.int8))
    assert sorted(recent.starts) == list(range(1, RECENT + 1))


def test_a_window_that_was_corrected_is_measured_with_the_corrected_counts() -> None:
    corrected, other = filled(0.1, 300), filled(0.1, 300, outlier=True)
    profile = Profile.empty(40)
    profile.entered[:, 0] = 300
    profile.converted[:, 0, 0] = corrected.converted[:, 7]
    other.replace(7, np.arange(40), profile)
    assert (corrected.converted[:, 7] > 0).all()
    assert (other.converted[:, 7] == corrected.converted[:, 7]).all()


def test_the_level_is_that_of_the_last_windows() -> None:
    recent = filled(0.05, 1000)
    assert np.median(measured(recent, 0.3)[1]) == pytest.approx(1, abs=0.02)
    assert np.median(measured(recent, 0.4)[1]) == pytest.approx(0.75, abs=0.02)
    for window in range(RECENT - 20, RECENT):  # two half-lives of the level
        profile = Profile.empty(40)
        profile.entered[:, 0] = 1000
        profile.converted[:, 0, 0] = 240
        recent.replace(window, np.arange(40), profile)
    _, level, doubt = measured(recent, 0.3)
    assert np.median((level - 1) / trust(doubt)) == pytest.approx(0.75 * -0.2, abs=0.02)


def trust(doubt: Reals) -> Reals:
    """Return the share of a measured level that is believed: 1 - doubt / (relative variance of drift)."""
    return 1 - doubt / 0.05**2


def test_the_doubt_is_the_variance_of_the_level() -> None:
    _, level, doubt = measured(filled(0.2, 40, pairs=2000), 0.3)
    assert np.median(doubt * trust(doubt)) == pytest.approx(level.var(), rel=0.2)
