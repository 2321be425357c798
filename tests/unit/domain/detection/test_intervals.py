"""Exact intervals, against scipy."""

from math import inf

import pytest
import scipy  # `scipy.stats` is imported at its first use: the import takes a second

from streams.domain.detection.intervals import median_interval, poisson_interval, share_interval


@pytest.mark.parametrize("count", [0, 1, 2, 7, 60, 500])
def test_the_interval_of_a_poisson_mean_is_garwoods(count: int) -> None:
    low, high = poisson_interval(count)
    assert low == pytest.approx(scipy.stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0, abs=1e-6)
    assert high == pytest.approx(scipy.stats.chi2.ppf(0.975, 2 * count + 2) / 2, rel=1e-6)


@pytest.mark.parametrize(("hits", "trials"), [(0, 4), (4, 4), (1, 1), (3, 17), (200, 300)])
def test_the_interval_of_a_share_is_that_of_clopper_and_pearson(hits: int, trials: int) -> None:
    found = scipy.stats.binomtest(hits, trials).proportion_ci(method="exact")
    assert share_interval(hits, trials) == pytest.approx((found.low, found.high), abs=1e-9)


def test_nothing_tried_says_nothing_about_a_share() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("count", [6, 7, 20, 101])
def test_the_interval_of_a_median_covers_the_median_in_95_of_100_and_one_rank_less_does_not(
    count: int,
) -> None:
    low, high = median_interval([float(value) for value in range(count, 0, -1)])
    rank = int(low)
    assert high == count + 1 - rank
    assert scipy.stats.binom.cdf(rank - 1, count, 0.5) <= 0.025 < scipy.stats.binom.cdf(rank, count, 0.5)


def test_too_few_values_say_nothing_about_a_median() -> None:
    assert median_interval([1.0, 2.0, 3.0]) == (0.0, inf)
    assert median_interval([]) == (0.0, inf)
