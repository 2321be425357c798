from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from streams.domain.detection.season import season_of
from streams.domain.windows import to_microseconds


@pytest.mark.parametrize(
    ("window", "instant", "slot"),
    [
        ("hour", "2026-11-24T09:00", 9),
        ("hour", "2026-11-29T09:00", 33),
        ("day", "2026-11-24T00:00", 1),
        ("day", "2026-11-29T00:00", 6),
        ("week", "2026-11-23T00:00", 0),
        ("10m", "2026-11-24T09:10", 0),
    ],
)
def test_a_window_has_the_slot_of_its_local_time(window: str, instant: str, slot: int) -> None:
    start = to_microseconds(datetime.fromisoformat(instant).replace(tzinfo=ZoneInfo("Asia/Tokyo")))
    assert season_of(window, "Asia/Tokyo", 600_000_000).slot_of(start) == slot


def test_a_drop_of_short_windows_lasts_a_day_before_it_is_the_normal_level() -> None:
    minute = 60_000_000
    assert [season_of(f"{n}m", length=n * minute).a_day for n in (1, 10, 1440, 2880)] == [1440, 144, 1, 1]
    assert [season_of(kind).a_day for kind in ("hour", "day", "week", "month")] == [1, 1, 1, 1]
