"""Windows known to the report database: windows with counts, live windows, and closed windows."""

from collections.abc import Iterable

from streams.domain.windows import Window, from_microseconds
from streams.resources import sql
from streams.store.database import Connection, columns


async def know_windows(connection: Connection, windows: Iterable[tuple[Window, str]]) -> None:
    """Register windows, each with the name of a tiling that contains the window."""
    arguments = columns(
        (window.name, from_microseconds(window.start), from_microseconds(window.end), tiling)
        for window, tiling in sorted(windows)
    )
    if arguments:
        await connection.execute(sql("queries/store/known_windows"), *arguments)
