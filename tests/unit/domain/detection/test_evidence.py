import itertools
from collections import defaultdict
from math import prod

import numpy as np
import pytest
from scipy import stats

from streams.domain.detection.cusum import log_threshold
from streams.domain.detection.detector import log_evidence
from streams.domain.detection.evidence import GRID, log_likelihood, log_prior, means
from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import BUCKETS, Profile, Reals
from tests.unit.domain.detection.known import about, at_once, entered_first


def beta_of(mean: float, spread: float) -> tuple[float, float]:
    size = (1 - mean) / (mean * spread) - 1
    return mean * size, (1 - mean) * size


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("variation", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("entered", [10, 200, 2000])
def test_the_evidence_of_a_mature_window_is_a_ratio_of_beta_binomials(
    rate: float, variation: float, entered: int
) -> None:
    usual = int(entered * rate)
    converted = np.unique(np.linspace(0.3 * usual, 1.2 * usual, 25).round()).astype(np.int64)
    converted = converted[converted <= entered]
    expected = at_once(len(converted), rate, variation)
    found = about(expected, 0.3).log_e(entered_first(entered, converted), BUCKETS - 1)
    null = stats.betabinom.logpmf(converted, entered, *beta_of(0.95 * rate, variation**2))
    for row, mean in zip(found, means(0.3), strict=True):
        exact = stats.betabinom.logpmf(converted, entered, *beta_of(mean * rate, variation**2)) - null
        near = np.abs(exact) < 12
        assert np.abs(row - exact)[near].max() < 0.5
        assert np.abs(row - exact)[np.abs(exact) < 4].max() < 0.15


def test_theta_has_the_mean_and_the_variance_that_were_asked_for() -> None:
    for mean, variation in itertools.product((0.95, 0.7, 0.4), (0.06, 0.1, 0.2)):
        weights = np.exp(log_prior(mean, np.array([0.3]), np.array([variation**2])))[0]
        assert weights.sum() == pytest.approx(1)
        assert weights @ GRID == pytest.approx(mean, abs=0.01)
        deviation = np.sqrt(weights @ GRID**2 - (weights @ GRID) ** 2) / mean
        assert deviation == pytest.approx(variation, rel=0.1)


def small_expectation() -> Expectation:
    """Return an expectation for deals of buckets 0 and 1, looked at until bucket 2."""
    by_age = np.zeros((1, BUCKETS, BUCKETS))
    by_age[0, 0, :3] = 0.1, 0.3, 0.45
    by_age[0, 1, 1:3] = 0.2, 0.35
    return Expectation(np.ones(1, bool), by_age, np.array([0.45]), np.array([0.15**2]))


DEALS = (0, 0, 0, 1, 1)
NEVER = 99


def outcomes() -> list[tuple[int, ...]]:
    """Return all ways in which the deals convert in bucket 0, 1 or 2, or never."""
    return list(itertools.product(*([bucket for bucket in (0, 1, 2, NEVER) if bucket >= i] for i in DEALS)))


def profile_of(outcome: tuple[int, ...]) -> Profile:
    profile = Profile.empty(1)
    for entered, converted in zip(DEALS, outcome, strict=True):
        profile.entered[0, entered] += 1
        if converted != NEVER:
            profile.converted[0, entered, converted] += 1
    return profile


def probability(outcome: tuple[int, ...], theta: float, by_age: Reals) -> float:
    def one(i: int, bucket: int) -> float:
        if bucket == NEVER:
            return float(1 - theta * by_age[i, 2])
        return float(theta * (by_age[i, bucket] - (by_age[i, bucket - 1] if bucket > i else 0)))

    return prod(one(i, bucket) for i, bucket in zip(DEALS, outcome, strict=True))


def test_the_likelihood_is_the_product_over_the_deals() -> None:
    expected = small_expectation()
    for outcome in outcomes()[::17]:
        found = np.exp(log_likelihood(profile_of(outcome), expected.by_age, 2))[0]
        exact = np.array([probability(outcome, theta, expected.by_age[0]) for theta in GRID])
        possible = (GRID * 0.45 < 1) & (exact > 0)
        ratio = found[possible] / exact[possible]  # the delays do not depend on theta
        assert ratio == pytest.approx(ratio[0])


def test_under_the_null_the_e_value_is_a_martingale_over_the_ages() -> None:
    expected = small_expectation()
    under = about(expected, 0.3)
    weights = np.exp(under.null[0])
    following: dict[tuple[int, bytes], list[tuple[float, float]]] = defaultdict(list)
    for outcome in outcomes():
        profile = profile_of(outcome)
        chance = sum(
            weight * probability(outcome, theta, expected.by_age[0])
            for weight, theta in zip(weights, GRID, strict=True)
            if weight > 0
        )
        values = [np.exp(under.log_e(profile.cut(age), age)[:, 0]) for age in range(3)]
        following[(-1, b"")].append((chance, values[0][0]))
        for age in (0, 1):
            seen = values[age].tobytes() + profile.cut(age).converted.tobytes()
            following[(age, seen)].append((chance, values[age + 1][0] / values[age][0]))
    for cases in following.values():
        total = sum(chance for chance, _ in cases)
        assert sum(chance * value for chance, value in cases) / total == pytest.approx(1, abs=1e-9)


def run_lengths(pairs: int, windows: int, log_a: float, ages: bool) -> Reals:
    """Return the windows until the evidence reaches A, or `windows`, with rates that are at the edge of the null."""
    random = np.random.default_rng(5)
    expected = at_once(pairs, 0.2, 0.1)
    under = about(expected, 0.3)
    log_s, run = np.zeros((2, pairs)), np.full(pairs, float(windows))
    for window in range(windows):
        theta = random.choice(GRID, pairs, p=np.exp(under.null[0]))
        profile = Profile.empty(pairs)
        for bucket in range(BUCKETS) if ages else (0,):
            profile.entered[:, bucket] = 10 if ages else 120
            profile.converted[:, bucket, bucket] = random.binomial(profile.entered[:, bucket], 0.2 * theta)
            log_e = under.log_e(profile, bucket)
            run = np.where(log_evidence(log_s, log_e) >= log_a, np.minimum(run, window + 1), run)
        log_s = np.maximum(log_s, 0) + log_e
    return run


def test_under_the_null_the_mean_run_length_is_at_least_the_threshold() -> None:
    assert run_lengths(500, 120, np.log(30), ages=False).mean() >= 30


@pytest.mark.thorough
def test_looking_at_every_bucket_does_not_shorten_the_run_length() -> None:
    assert run_lengths(1000, 300, np.log(60), ages=True).mean() >= 60


def test_a_late_burst_of_entries_is_no_evidence_of_a_drop() -> None:
    expected = at_once(1, 0.5, 0.1)
    by_age = expected.by_age * (
        1 - 0.5 ** (1 + np.arange(BUCKETS) - np.arange(BUCKETS)[:, None])
    )  # with delays
    expected = Expectation(expected.learned, np.triu(by_age), by_age[:, 0, -1], expected.spread)
    profile = Profile.empty(1)
    profile.entered[0, 0] = 100
    profile.converted[0, 0, 0] = 25
    profile.converted[0, 0, 1] = 25
    usual = about(expected, 0.3).log_e(profile, BUCKETS - 1)
    profile.entered[0, BUCKETS - 1] = 400
    profile.converted[0, BUCKETS - 1, BUCKETS - 1] = 100
    burst = about(expected, 0.3).log_e(profile, BUCKETS - 1)
    assert (usual < 0).all()
    assert (burst < usual).all()


def test_nobody_entered_is_no_evidence() -> None:
    assert about(at_once(2, 0.5, 0.1), 0.3).log_e(Profile.empty(2), 5).tolist() == [[0, 0], [0, 0]]


def test_the_threshold_follows_from_pairs_windows_and_budget() -> None:
    assert np.exp(log_threshold(5, 3_600_000_000, 1.0)) == pytest.approx(3652.5)
    assert np.exp(log_threshold(5, 86_400_000_000, 2.0)) == pytest.approx(76.09, abs=0.01)
    with pytest.raises(ValueError, match="budget"):
        log_threshold(5, 3_600_000_000, 0.0)
