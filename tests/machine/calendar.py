"""Where and when the machines' deals live: windows written down by hand, around the night when clocks go back.

UTC       24th 22:00       25th 00    01  04         12             23  26th 00  04         12
Berlin    |------------------------ day of 25 hours ----------------|----------------------
New York  -----------------------------|------------------------------------------|--------
12 hours  -----------------|--------------------|------------------------|-----------------
"""

from datetime import UTC, datetime
from uuid import UUID, uuid5

from streams.domain.change import Scope
from streams.domain.plan import plan_for
from streams.domain.windows import Window, to_microseconds

BERLIN = "aaaaaaaa-0000-4000-8000-00000000000a"
NEW_YORK = "aaaaaaaa-0000-4000-8000-00000000000b"
_SALES = "bbbbbbbb-0000-4000-8000-00000000000b"
SCOPES = (
    Scope(BERLIN, _SALES),
    Scope(BERLIN, "bbbbbbbb-0000-4000-8000-0000000000ff"),
    Scope(NEW_YORK, _SALES),
)
STAGES = range(3)
PLAN = plan_for(("day", "12h"), "Europe/Berlin", {NEW_YORK: "America/New_York"})


def instant(day: int, hour: int, second: int = 0) -> datetime:
    """An instant of October 2026, in UTC."""
    return datetime(2026, 10, day, hour, 0, second, tzinfo=UTC)


def _window(name: str, start: tuple[int, int], end: tuple[int, int]) -> Window:
    return Window(name, to_microseconds(instant(*start)), to_microseconds(instant(*end)))


_HALVES = [
    _window("12h", (24, 12), (25, 0)),
    _window("12h", (25, 0), (25, 12)),
    _window("12h", (25, 12), (26, 0)),
    _window("12h", (26, 0), (26, 12)),
]
WINDOWS = {
    BERLIN: [_window("day", (24, 22), (25, 23)), _window("day", (25, 23), (26, 23)), *_HALVES],
    NEW_YORK: [
        _window("day", (24, 4), (25, 4)),
        _window("day", (25, 4), (26, 4)),
        _window("day", (26, 4), (27, 4)),
        *_HALVES,
    ],
}
INSTALLED_AT = instant(24, 22)
CLOSES = [instant(*at) for at in ((25, 0), (25, 4), (25, 12), (25, 23), (26, 4), (26, 12))]
ENTERED = [
    to_microseconds(instant(day, hour)) + microseconds
    for day, hour, microseconds in (
        (24, 22, 0),
        (24, 22, 1),
        (25, 0, -1),
        (25, 0, 0),
        (25, 1, 0),
        (25, 4, -1),
        (25, 4, 0),
        (25, 4, 900_000_000 - 1),
        (25, 4, 900_000_000),
        (25, 23, -1),
        (25, 23, 0),
        (26, 0, 0),
    )
]
"""Few instants, most of them on or beside a boundary of a window or, at 4:15, of a bucket of Berlin's long day, so that
ties and moves between windows and buckets are common."""


def stage_id(scope: Scope, stage: int) -> str:
    """The identifier of a pipeline's stage; in the order of the stages."""
    return f"{uuid5(UUID(scope.pipeline_id), scope.tenant_id)!s:.8}-0000-4000-8000-00000000000{stage}"
