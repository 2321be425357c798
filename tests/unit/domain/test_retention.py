from datetime import timedelta

import pytest

from streams.domain.retention import parse_retention


def test_each_window_kind_has_a_length_of_its_own() -> None:
    assert parse_retention("hour=90d, day=5y,15s=10m") == {
        "hour": timedelta(days=90),
        "day": timedelta(days=1825),
        "15s": timedelta(minutes=10),
    }


def test_nothing_written_is_nothing_pruned() -> None:
    assert parse_retention("") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("90d", "no retention"),
        ("hour=90", "not a length of time"),
        ("hour=", "not a length of time"),
        ("hour=-5y", "not a length of time"),
        ("hour=9999y", "not a length of time"),
        ("hour=0d", "kept for some time"),
        ("hour=1d,hour=2d", "twice"),
        ("fortnight=1d", "no window"),
    ],
)
def test_what_makes_no_sense_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_retention(text)


def test_everything_that_makes_no_sense_is_named_at_once() -> None:
    with pytest.raises(
        ValueError, match=r"'90d' is no retention.*; 'fortnight' is no window.*; 'x' is not a length"
    ):
        parse_retention("90d,fortnight=1d,day=1y,hour=x")
