import itertools
from collections import defaultdict
from math import lgamma

import numpy as np
import pytest
import scipy  # `scipy.stats` is imported at its first use: the import takes a second
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.detection.cusum import log_evidence, log_threshold
from streams.domain.detection.evidence import Priors, log_gamma, log_likelihood, means
from streams.domain.detection.expectation import Expectation
from streams.domain.detection.profile import BUCKETS, Profile, Reals
from tests.depth import examples
from tests.unit.domain.detection.known import about, ages, at_once, entered_first, every


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
    found = about(expected, 0.3).log_e(
        entered_first(entered, converted), ages(BUCKETS - 1, len(converted)), every(len(converted))
    )
    null = scipy.stats.betabinom.logpmf(converted, entered, *beta_of(0.95 * rate, variation**2))
    for row, mean in zip(found, means(0.3), strict=True):
        exact = scipy.stats.betabinom.logpmf(converted, entered, *beta_of(mean * rate, variation**2)) - null
        near = np.abs(exact) < 12
        assert np.abs(row - exact)[near].max() < 0.05


def theta_of(hypothesis: int, expected: Expectation) -> tuple[Reals, Reals]:
    """Return values of theta and the weights under a hypothesis for the first pair; null 0, falls of 30 and 60 %."""
    priors = Priors.of(expected.highest, expected.spread, 0.3)
    logits = np.linspace(-12, 12, 2001)
    weights = np.exp(priors.log_weights(logits[None])[hypothesis, 0]) * (logits[1] - logits[0])
    return 1 / (1 + np.exp(-logits)) / expected.highest[0], weights


@pytest.mark.parametrize("hypothesis", [0, 1, 2])
@pytest.mark.parametrize("variation", [0.06, 0.1, 0.2])
def test_theta_has_the_mean_and_the_variance_that_were_asked_for(hypothesis: int, variation: float) -> None:
    theta, weights = theta_of(hypothesis, at_once(1, 0.3, variation))
    mean = (0.95, 0.7, 0.4)[hypothesis]
    assert weights.sum() == pytest.approx(1)
    assert weights @ theta == pytest.approx(mean, rel=1e-4)
    deviation = np.sqrt(weights @ theta**2 - (weights @ theta) ** 2) / mean
    assert deviation == pytest.approx(variation, rel=1e-3)


def small_expectation() -> Expectation:
    """Return an expectation for deals of buckets 0 and 1, looked at until bucket 2."""
    likely = np.zeros((BUCKETS, 1, BUCKETS), np.float32)
    likely[:3, 0, 0] = 0.1, 0.3, 0.45
    likely[1:3, 0, 1] = 0.2, 0.35
    likely[-1, 0, 0] = 0.45
    return Expectation(np.ones(1, bool), likely, np.array([0.15**2]))


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


def probability(outcome: tuple[int, ...], theta: Reals, likely: Reals) -> Reals:
    """Return the probability of the outcome for each theta."""
    chance: Reals = np.ones_like(theta)
    for i, bucket in zip(DEALS, outcome, strict=True):
        if bucket == NEVER:
            chance = chance * (1 - theta * likely[2, i])
        else:
            chance = chance * theta * (likely[bucket, i] - (likely[bucket - 1, i] if bucket > i else 0))
    return chance


def test_the_likelihood_is_the_product_over_the_deals() -> None:
    expected = small_expectation()
    logits = np.linspace(-3, 3, 20)[None]
    theta = 1 / (1 + np.exp(-logits[0])) / expected.highest[0]
    for outcome in outcomes()[::17]:
        profile = profile_of(outcome)
        (by,) = profile.by_age(slice(2, 3))
        found = log_likelihood(
            by.sum(1),
            profile.entered - by,
            expected.likely[2],
            expected.highest,
            logits,
        )
        exact = probability(outcome, theta, expected.likely[:, 0])
        ratio = np.exp(found[0]) / exact  # the delays do not depend on theta
        assert ratio == pytest.approx(ratio[0], rel=1e-5)


def test_under_the_null_the_e_value_is_a_martingale_over_the_ages() -> None:
    expected = small_expectation()
    under = about(expected, 0.3)
    theta, weights = (values[::20] for values in theta_of(0, expected))
    following: dict[tuple[int, bytes], list[tuple[float, Reals]]] = defaultdict(list)
    for outcome in outcomes():
        profile = profile_of(outcome)
        chance = float(20 * weights @ probability(outcome, theta, expected.likely[:, 0]))
        values = [np.exp(under.log_e(profile.cut(age), ages(age, 1), every(1))[:, 0]) for age in range(3)]
        following[(-1, b"")].append((chance, values[0]))
        for age in (0, 1):
            seen = profile.cut(age).converted.tobytes()
            following[(age, seen)].append((chance, values[age + 1] / values[age]))
    assert len(following) > 20
    for cases in following.values():
        total = sum(chance for chance, _ in cases)
        mean = sum(chance * value for chance, value in cases) / total
        assert mean == pytest.approx([1, 1], abs=1e-4)


@given(
    st.integers(0, 2**32),
    st.floats(0.02, 0.9),
    st.floats(0.05, 0.35),
    st.sampled_from([0.1, 0.3, 0.5]),
    st.sampled_from([1, 5, 40, 400]),
)
@settings(max_examples=examples(300))
def test_no_e_value_above_two_is_outside_of_the_cheap_bounds(
    seed: int, rate: float, variation: float, drop: float, entered: int
) -> None:
    random, pairs = np.random.default_rng(seed), 20
    # Where next to nothing is expected and much is seen, the sum over the grid means nothing, and nobody asks for it.
    speed = np.minimum(random.random((pairs, 1, 1)), 0.98)
    likely = np.tril(rate * (1 - speed ** (1 + np.indices((BUCKETS, BUCKETS))[0])))
    likely = likely.transpose(1, 0, 2).astype(np.float32)
    under = about(Expectation(np.ones(pairs, bool), likely, np.full(pairs, variation**2)), drop)
    profile = Profile.empty(pairs)
    profile.entered[:] = random.poisson(entered, (pairs, BUCKETS))
    left = profile.entered.copy()
    for bucket in range(BUCKETS):
        fall = rate * 0.15 * random.random((pairs, 1))
        profile.converted[:, : bucket + 1, bucket] = random.binomial(left[:, : bucket + 1], fall)
        left[:, : bucket + 1] -= profile.converted[:, : bucket + 1, bucket]
    for age in (0, 4, BUCKETS - 1):
        found = under.log_e(profile, ages(age, pairs), every(pairs))
        most, least = (bound[0] for bound in under.bounds(profile, slice(age, age + 1)))
        assert (found.max(0) <= np.maximum(most, np.log(2))).all()
        assert (found[0] >= least)[np.isfinite(least)].all()


def run_lengths(pairs: int, windows: int, log_a: float, looks: tuple[int, ...]) -> Reals:
    """Return the windows until the evidence reaches A, or `windows`, with rates that are at the edge of the null."""
    random = np.random.default_rng(5)
    expected = at_once(pairs, 0.2, 0.1)
    under = about(expected, 0.3)
    theta, weights = theta_of(0, expected)
    log_s, run = np.zeros((2, pairs)), np.full(pairs, float(windows))
    for window in range(windows):
        rates = 0.2 * random.choice(theta, pairs, p=weights / weights.sum())
        profile = Profile.empty(pairs)
        entered = 120 // len(looks)
        profile.entered[:, looks] = entered
        profile.converted[:, looks, looks] = random.binomial(entered, rates[:, None], (pairs, len(looks)))
        (going,) = np.nonzero(run == windows)  # no evidence is asked for of a pair whose run has ended
        for age in looks:
            log_e = under.log_e(profile, ages(age, len(going)), going)
            ended = log_evidence(log_s[:, going], log_e) >= log_a
            run[going[ended]] = np.minimum(run[going[ended]], window + 1)
        log_s[:, going] = np.maximum(log_s[:, going], 0) + log_e
    return run


@pytest.mark.thorough
def test_under_the_null_the_mean_run_length_is_at_least_the_threshold() -> None:
    found = run_lengths(500, 120, np.log(30), (0,))
    assert 30 <= found.mean() < 110


@pytest.mark.thorough
def test_looking_at_every_bucket_does_not_shorten_the_run_length() -> None:
    assert run_lengths(200, 200, np.log(60), tuple(range(BUCKETS))).mean() >= 60


def test_a_late_burst_of_entries_is_no_evidence_of_a_drop() -> None:
    age, entered = np.indices((BUCKETS, BUCKETS))
    likely = np.where(entered <= age, 0.5 * (1 - 0.5 ** (1.0 + age - entered)), 0.0)[:, None]  # with delays
    under = about(Expectation(np.ones(1, bool), likely, np.array([0.01])), 0.3)
    profile = Profile.empty(1)
    profile.entered[0, 0] = 100
    profile.converted[0, 0, 0] = 25
    profile.converted[0, 0, 1] = 25
    usual = under.log_e(profile, ages(BUCKETS - 1, 1), every(1))
    profile = Profile(profile.entered, profile.converted)
    profile.entered[0, BUCKETS - 1] = 400
    profile.converted[0, BUCKETS - 1, BUCKETS - 1] = 100
    burst = under.log_e(profile, ages(BUCKETS - 1, 1), every(1))
    assert (usual < 0).all()
    assert (burst < usual).all()


@given(st.floats(1e-6, 1e9))
def test_the_logarithm_of_the_gamma_function_is_that_of_the_standard_library(x: float) -> None:
    assert log_gamma(np.array([x]))[0] == pytest.approx(lgamma(x), rel=1e-12, abs=1e-9)


def test_nobody_entered_is_no_evidence() -> None:
    assert about(at_once(2, 0.5, 0.1), 0.3).log_e(Profile.empty(2), ages(5, 2), every(2)).tolist() == [
        [0, 0],
        [0, 0],
    ]


def test_the_threshold_follows_from_pairs_windows_and_budget() -> None:
    assert np.exp(log_threshold(5, 3_600_000_000, 1.0)) == pytest.approx(3652.5)
    assert np.exp(log_threshold(5, 86_400_000_000, 2.0)) == pytest.approx(76.09, abs=0.01)
    with pytest.raises(ValueError, match="budget"):
        log_threshold(5, 3_600_000_000, 0.0)
