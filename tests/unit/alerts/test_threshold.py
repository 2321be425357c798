from datetime import timedelta

import pytest

from streams.alerts.notation import parse_budget
from streams.alerts.threshold import MONTH, threshold, windows_a_month


@pytest.mark.parametrize(
    ("window", "number"),
    [
        ("hour", 720),
        ("day", 30),
        ("week", 30 / 7),
        ("month", 1),
        ("15s", 172_800),
        ("10m", 4320),
        ("7d", 30 / 7),
    ],
)
def test_a_month_of_thirty_days_has_so_many_windows(window: str, number: float) -> None:
    assert windows_a_month(window) == pytest.approx(number)


def test_a_name_that_is_no_window_has_no_number() -> None:
    with pytest.raises(ValueError, match="is no window"):
        windows_a_month("dya")


@pytest.mark.parametrize(
    ("pairs", "window", "budget", "evidence"),
    [
        (5, "hour", "1 per pipeline per month", 3600),
        (1, "day", "1 per pipeline per month", 30),
        (5, "day", "0.5 per pipeline per month", 300),
        (5, "day", "1 per pipeline per week", 35),
        (4, "month", "1 per pipeline per year", 4 * 365 / 30),
        (3, "10m", "2 per pipeline per day", 3 * 4320 / 60),
    ],
)
def test_the_evidence_grows_with_pairs_and_windows_and_falls_with_the_budget(
    pairs: int, window: str, budget: str, evidence: float
) -> None:
    assert threshold(pairs, window, parse_budget(budget).a_month) == pytest.approx(evidence)


def test_streams_that_each_reach_the_evidence_once_in_so_many_windows_stay_within_the_budget() -> None:
    pairs, budget = 7, 1.5
    alarms_a_stream = MONTH / timedelta(hours=1) / threshold(pairs, "hour", budget)
    assert pairs * alarms_a_stream == pytest.approx(budget)


@pytest.mark.parametrize(("pairs", "budget"), [(0, 1.0), (1, 0.0), (1, -1.0)])
def test_nothing_can_be_said_of_no_pairs_or_no_budget(pairs: int, budget: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        threshold(pairs, "day", budget)
