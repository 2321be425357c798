"""Sealed windows: windows past their retention, neither written nor revised any more."""

from collections.abc import Mapping

from streams.domain.windows import to_microseconds
from streams.resources import sql
from streams.store.database import Connection, Pool


async def read_sealed(connection: Connection | Pool) -> Mapping[str, int]:
    """Return by window kind until when (microseconds) its windows are sealed: those that end by then."""
    rows = await connection.fetch(sql("queries/store/sealed"))
    return {row["window_name"]: to_microseconds(row["sealed_until"]) for row in rows}
