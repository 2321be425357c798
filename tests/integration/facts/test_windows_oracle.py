"""Windows beside the database's own idea of calendar units."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain.windows import CALENDAR_UNITS, from_microseconds, to_microseconds, window_kind
from streams.store.database import OwnConnection
from tests.depth import examples

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Santiago", "Asia/Kathmandu"]
# Up to where every edition of the timezone rules agrees.
instants = st.datetimes(datetime(1975, 1, 1), datetime(2024, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
near_changes = st.builds(
    lambda year, day, second: datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=second),
    st.integers(1980, 2023),
    st.sampled_from([*range(83, 90), *range(296, 306)]),  # when clocks change in most places
    st.integers(0, 86_400),
)
TRUNCATED = """
select
    date_trunc($1, told.instant, told.zone) as start,
    date_trunc($1, told.before_end, told.zone) as start_before_end,
    date_trunc($1, told.window_end, told.zone) as next_start
from unnest($2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::text[])
    with ordinality as told (instant, before_end, window_end, zone, number)
order by told.number
"""


@settings(
    max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.sampled_from(CALENDAR_UNITS),
    st.lists(st.tuples(instants | near_changes, st.sampled_from(ZONES)), min_size=20, max_size=60),
)
async def test_calendar_windows_are_those_of_date_trunc(
    shared_connection: OwnConnection, unit: str, places: list[tuple[datetime, str]]
) -> None:
    bounds = [window_kind(unit, zone).bounds(to_microseconds(instant)) for instant, zone in places]
    starts = [from_microseconds(start) for start, _ in bounds]
    ends = [from_microseconds(end) for _, end in bounds]
    rows = await shared_connection.fetch(
        TRUNCATED,
        unit,
        [instant for instant, _ in places],
        [end - timedelta(microseconds=1) for end in ends],
        ends,
        [zone for _, zone in places],
    )
    assert [row["start"] for row in rows] == starts
    assert [row["start_before_end"] for row in rows] == starts
    assert [row["next_start"] for row in rows] == ends
