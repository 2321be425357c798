import numpy as np
import pytest
import scipy  # `scipy.stats` is imported at its first use: the import takes a second

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Moment
from streams.domain.detection.evidence import means
from streams.domain.detection.profile import BUCKETS, Profile
from streams.domain.detection.recent import COUNTED, Recent
from streams.domain.detection.traffic import TrafficHypotheses, TrafficTest
from tests.unit.domain.detection.known import ages, at_level, every


def hypotheses(dispersion: float = 1.0) -> TrafficHypotheses:
    by_age = 60.0 * np.arange(1, BUCKETS + 1)[None] / BUCKETS
    return TrafficHypotheses(
        np.ones(1, bool), by_age, np.array([0.04]), np.array([dispersion]), at_level(0.04), 0.4
    )


@pytest.mark.parametrize("entries", [0, 12, 60, 90])
def test_the_evidence_is_a_ratio_of_negative_binomials(entries: int) -> None:
    profile = Profile.empty(1)
    profile.entered[0, 3] = entries
    found = hypotheses().log_e(profile, ages(BUCKETS - 1, 1), every(1))[:, 0]

    def log_probability(mean: float) -> float:
        return float(scipy.stats.nbinom.logpmf(entries, 25, 25 / (25 + 60 * mean)))

    exact = [log_probability(mean) - log_probability(0.95) for mean in means(0.4)]
    assert found == pytest.approx(exact)


def test_entries_in_bursts_are_weaker_evidence() -> None:
    plain, bursts = (
        hypotheses(by).log_e(Profile.empty(1), ages(BUCKETS - 1, 1), every(1)) for by in (1.0, 5.0)
    )
    assert (bursts > 0).all()
    assert (bursts < plain).all()


def learned(size: int) -> TrafficHypotheses:
    """Return hypotheses after 60 windows in which deals come `size` at once, 60 a window."""
    random, baseline, recent = np.random.default_rng(1), Baseline.empty(1, 1), Recent.empty(1)
    for window in range(60):
        profile = Profile.empty(1)
        profile.entered[0] = size * random.poisson(60 / BUCKETS / size, BUCKETS)
        baseline.add(every(1), 0, profile, 1.0)
        recent.put(window, 0, profile, np.full(1, COUNTED, np.int8))
    return TrafficTest(0.5).hypotheses(baseline, recent, np.full((3, 1), np.nan), Moment(0, 1.0, 30))


def test_the_dispersion_within_windows_is_the_size_of_the_bursts() -> None:
    assert learned(1).dispersion[0] == pytest.approx(1, abs=0.1)
    assert learned(10).dispersion[0] == pytest.approx(10, rel=0.15)


def test_nobody_entering_is_evidence_that_grows_with_the_age_of_the_window() -> None:
    found = [learned(1).log_e(Profile.empty(1), ages(age, 1), every(1)).max() for age in (0, 3, 11)]
    assert found == sorted(found)
    assert found[-1] > 8
