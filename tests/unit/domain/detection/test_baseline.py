from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.expectation import expectation
from streams.domain.detection.generated import Traffic
from streams.domain.detection.profile import Profile, Reals
from streams.domain.detection.recent import COUNTED, LEAST, RECENT, WAITING, Recent
from streams.domain.detection.season import season_of
from tests.depth import examples

DAY = 86_400_000_000
SEASON = season_of("day")
ALL = np.ones(2, bool)


def drawn(random: np.random.Generator) -> Profile:
    entered = random.integers(0, 30, (2, 12))
    converted = np.triu(random.multinomial(entered, [0.05] * 12 + [0.4])[:, :, :12])
    return Profile(entered, converted)


def weight(day: int, today: int) -> float:
    return float(2.0 ** ((day - today) * DAY / SEASON.half_life))


def assert_equal(one: Baseline, other: Baseline) -> None:
    for field in fields(Baseline):
        np.testing.assert_allclose(getattr(one, field.name), getattr(other, field.name), rtol=1e-9, atol=1e-9)


@settings(max_examples=examples(200))
@given(st.integers(0, 2**32), st.lists(st.integers(0, 29), max_size=10), st.integers(30, 400))
def test_a_revised_baseline_is_the_one_computed_anew(seed: int, revised: list[int], today: int) -> None:
    random = np.random.default_rng(seed)
    profiles = [drawn(random) for _ in range(30)]
    kept = Baseline.empty(2, SEASON)
    for day, profile in enumerate(profiles):
        kept.decay(weight(-1, 0))
        kept.add(ALL, day % 7, profile)
    kept.decay(weight(29, today))
    for day in revised:
        kept.remove(ALL, day % 7, profiles[day], weight(day, today))
        profiles[day] = drawn(random)
        kept.add(ALL, day % 7, profiles[day], weight(day, today))
    anew = Baseline.empty(2, SEASON)
    for day in random.permutation(30):
        anew.add(ALL, day % 7, profiles[day], weight(int(day), today))
    assert_equal(kept, anew)
    variation = np.full(2, 0.01)
    for slot in range(7):
        one, other = (expectation(sums, variation, slot) for sums in (kept, anew))
        np.testing.assert_allclose(one.by_age, other.by_age, rtol=1e-7)
        np.testing.assert_allclose(one.spread, other.spread, rtol=1e-7)


def learned_from(traffic: Traffic, windows: int) -> tuple[Baseline, Recent]:
    pairs, season = len(traffic.rates), season_of("hour")
    baseline, recent = Baseline.empty(pairs, season), Recent.empty(pairs)
    for number, profile in enumerate(traffic.windows(windows)):
        slot = number % 24 + 24 * (number // 24 % 7 >= 5)
        baseline.add(np.ones(pairs, bool), slot, profile)
        recent.put(number, slot, profile, np.full(pairs, COUNTED, np.int8))
    return baseline, recent


def test_a_baseline_learns_rates_and_seasons() -> None:
    rates = np.repeat(0.3, 20)
    baseline, _ = learned_from(Traffic("weekly", rates, 1), 28 * 24)
    hours = {
        hour: expectation(baseline, np.full(20, LEAST), hour).by_age[:, 0, -1].mean() for hour in (0, 12, 24)
    }
    assert abs(hours[12] / 0.3 - 1.25) < 0.05
    assert abs(hours[0] / 0.3 - 0.75) < 0.05
    assert abs(hours[24] / 0.3 - 0.55) < 0.08


def test_the_delays_of_the_first_bucket_are_those_of_the_generator() -> None:
    baseline, _ = learned_from(Traffic("steady", np.repeat(0.4, 10), 1), 200)
    delays = np.exp(-np.arange(12) / 2)
    true = 0.4 * np.cumsum(delays) / delays.sum()
    np.testing.assert_allclose(
        expectation(baseline, np.full(10, LEAST), 0).by_age[:, 0].mean(0), true, rtol=0.05
    )


def variations(recent: Recent, rate: float) -> Reals:
    return np.sqrt(
        recent.conversion_variation(np.full((len(recent.status), 12), rate), np.ones((len(recent.status), 1)))
    )


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
    assert recent.status_of(0) is None
    assert recent.status_of(RECENT) is not None
