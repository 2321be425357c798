from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.windows import Zone, from_microseconds, to_microseconds, window_kind

KINDS = ["hour", "day", "week", "month", "15s", "10m", "7d"]
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "America/Santiago",
    "Australia/Lord_Howe",
]
instants = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds


def bounds(name: str, zone: str, text: str) -> tuple[str, str]:
    start, end = window_kind(name, zone).bounds(to_microseconds(datetime.fromisoformat(text)))
    return from_microseconds(start).isoformat(), from_microseconds(end).isoformat()


@given(instants, st.sampled_from(KINDS), st.sampled_from(ZONES))
def test_a_window_holds_the_instant_it_is_asked_for(instant: datetime, name: str, zone: str) -> None:
    at = to_microseconds(instant)
    start, end = window_kind(name, zone).bounds(at)
    assert start <= at < end


@given(instants, st.sampled_from(KINDS), st.sampled_from(ZONES))
def test_windows_of_a_kind_tile_the_time_line(instant: datetime, name: str, zone: str) -> None:
    kind = window_kind(name, zone)
    start, end = kind.bounds(to_microseconds(instant))
    assert kind.bounds(start) == (start, end)
    assert kind.bounds(end - 1) == (start, end)
    assert kind.bounds(end)[0] == end
    assert kind.bounds(start - 1)[1] == start


@given(instants, st.sampled_from(KINDS), st.sampled_from(ZONES))
def test_a_remembered_window_is_the_one_computed_anew(instant: datetime, name: str, zone: str) -> None:
    at = to_microseconds(instant)
    used = window_kind(name, zone)
    for near in (at, at + 1, at - 1, at + 900_000_000, at):
        assert used.bounds(near) == window_kind(name, zone).bounds(near)


def test_a_day_has_23_or_25_hours_where_clocks_change() -> None:
    spring = bounds("day", "Europe/Berlin", "2026-03-29T12:00:00Z")
    autumn = bounds("day", "Europe/Berlin", "2026-10-25T12:00:00Z")
    assert spring == ("2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00")
    assert autumn == ("2026-10-24T22:00:00+00:00", "2026-10-25T23:00:00+00:00")


def test_a_repeated_hour_is_two_windows() -> None:
    first = bounds("hour", "Europe/Berlin", "2026-10-25T00:30:00Z")
    second = bounds("hour", "Europe/Berlin", "2026-10-25T01:30:00Z")
    assert first == ("2026-10-25T00:00:00+00:00", "2026-10-25T01:00:00+00:00")
    assert second == ("2026-10-25T01:00:00+00:00", "2026-10-25T02:00:00+00:00")


def test_weeks_start_on_monday_and_months_have_their_length() -> None:
    assert bounds("week", "UTC", "2026-11-22T23:59:59Z")[0] == "2026-11-16T00:00:00+00:00"
    assert bounds("month", "UTC", "2028-02-29T00:00:00Z") == (
        "2028-02-01T00:00:00+00:00",
        "2028-03-01T00:00:00+00:00",
    )


def test_fixed_lengths_count_from_the_epoch_whatever_the_timezone() -> None:
    assert bounds("7d", "Asia/Kolkata", "1970-01-03T00:00:00Z")[0] == "1970-01-01T00:00:00+00:00"
    assert bounds("15s", "UTC", "2026-11-23T10:00:29.999999Z")[0] == "2026-11-23T10:00:15+00:00"


def test_windows_before_the_epoch_are_found_too() -> None:
    assert bounds("1h", "UTC", "1969-12-31T23:30:00Z") == (
        "1969-12-31T23:00:00+00:00",
        "1970-01-01T00:00:00+00:00",
    )


def test_windows_that_end_in_a_span_exclude_its_start_and_include_its_end() -> None:
    kind = window_kind("10m", "UTC")
    noon = to_microseconds(datetime(2026, 11, 23, 12, tzinfo=UTC))
    ten_minutes = timedelta(minutes=10) // timedelta(microseconds=1)
    found = [window.end for window in kind.windows_ending_in(noon, noon + 2 * ten_minutes)]
    assert found == [noon + ten_minutes, noon + 2 * ten_minutes]
    assert list(kind.windows_ending_in(noon, noon + ten_minutes - 1)) == []


@pytest.mark.parametrize("name", ["fortnight", "", "0s", "500ms", "-1s", "Day"])
def test_an_unknown_window_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no window"):
        window_kind(name, "UTC")


@pytest.mark.parametrize("name", ["hour", "day", "week", "month", "15s", "1m", "1h", "7d"])
@pytest.mark.parametrize(
    "instant", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]
)
def test_a_window_that_postgres_could_not_be_told_of_is_an_error(name: str, instant: datetime) -> None:
    kind = window_kind(name, "UTC")
    try:
        start, end = kind.bounds(to_microseconds(instant))
    except OverflowError:
        return
    assert from_microseconds(start) <= instant < from_microseconds(end)


def test_an_hour_is_cut_where_clocks_change_within_it() -> None:
    """Lord Howe Island puts its clocks back by half an hour at 15:00 UTC, at 2 o'clock."""
    last = bounds("hour", "Australia/Lord_Howe", "2026-04-04T14:59:00Z")
    cut = bounds("hour", "Australia/Lord_Howe", "2026-04-04T15:10:00Z")
    following = bounds("hour", "Australia/Lord_Howe", "2026-04-04T15:40:00Z")
    assert last == ("2026-04-04T14:00:00+00:00", "2026-04-04T15:00:00+00:00")
    assert cut == ("2026-04-04T15:00:00+00:00", "2026-04-04T15:30:00+00:00")
    assert following == ("2026-04-04T15:30:00+00:00", "2026-04-04T16:30:00+00:00")


@st.composite
def histories(draw: st.DrawFn) -> list[Zone]:
    since = sorted(draw(st.lists(instants.map(to_microseconds), max_size=3, unique=True)))
    zones = draw(st.lists(st.sampled_from(ZONES), min_size=len(since) + 1, max_size=len(since) + 1))
    return [Zone(one, zone) for one, zone in zip([None, *since], zones, strict=True)]


@given(instants.map(to_microseconds), st.sampled_from(KINDS), histories())
def test_windows_tile_the_time_line_however_often_the_timezone_changes(
    at: int, name: str, zones: list[Zone]
) -> None:
    kind = window_kind(name, *zones)
    start, end = kind.bounds(at)
    assert start <= at < end
    assert kind.bounds(start) == kind.bounds(end - 1) == (start, end)
    assert kind.bounds(end)[0] == end
    assert kind.bounds(start - 1)[1] == start


@given(
    instants.map(to_microseconds),
    instants.map(to_microseconds),
    st.sampled_from(KINDS),
    histories(),
    st.sampled_from(ZONES),
)
def test_another_timezone_changes_no_window_that_has_started(
    at: int, since: int, name: str, zones: list[Zone], zone: str
) -> None:
    since = max([since, *(one.since + 1 for one in zones if one.since is not None)])
    before, after = window_kind(name, *zones), window_kind(name, *zones, Zone(since, zone))
    if before.bounds(at)[0] <= since:
        assert after.bounds(at) == before.bounds(at)
    elif after.bounds(at)[0] > before.bounds(since)[1]:
        assert after.bounds(at) == window_kind(name, zone).bounds(at)


def test_the_first_window_in_another_timezone_begins_where_the_last_one_ends() -> None:
    noon = to_microseconds(datetime(2026, 11, 23, 12, tzinfo=UTC))
    kind = window_kind("day", "Europe/Berlin", Zone(noon, "America/New_York"))
    hour = 3_600_000_000
    begins = []
    start = kind.bounds(noon)[0]
    for _ in range(4):
        begins.append((start - noon) // hour)
        start = kind.bounds(start)[1]
    assert begins == [-13, 11, 17, 41]
    assert [kind.timezone_at(noon + (begin * hour)) for begin in begins[:2]] == [
        "Europe/Berlin",
        "America/New_York",
    ]
