from datetime import timedelta

import pytest

from streams.domain.duration import parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("200ms", timedelta(milliseconds=200)),
        ("15s", timedelta(seconds=15)),
        ("10m", timedelta(minutes=10)),
        ("6h", timedelta(hours=6)),
        (" 7d ", timedelta(days=7)),
        ("0s", timedelta(0)),
    ],
)
def test_a_length_of_time_is_read_as_people_write_it(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "15", "s", "-1s", "1.5s", "1 s", "1w", "15s15s", "٣s", "1" * 40 + "s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 200ms"):
        parse_duration(text)


def test_a_length_of_time_that_leads_out_of_the_calendar_is_refused() -> None:
    assert parse_duration("365250d") == timedelta(days=365_250)
    with pytest.raises(ValueError, match="'365251d' is more than a thousand years"):
        parse_duration("365251d")
