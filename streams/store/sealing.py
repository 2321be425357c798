"""Sealed windows: windows past the retention. A sealed window is neither written nor revised any more."""

from collections.abc import Mapping

from streams.domain.windows import to_microseconds
from streams.resources import sql
from streams.store.database import Connection, Pool


async def read_sealed(connection: Connection | Pool) -> Mapping[str, int]:
    """Return the seal of each window kind, in microseconds: a window that ends at the seal or earlier is sealed.

    Example: the seal of `hour` is 12:00. The window from 11:00 to 12:00 is sealed, the next window is not.
    """
    rows = await connection.fetch(sql("queries/store/sealed"))
    return {row["window_name"]: to_microseconds(row["sealed_until"]) for row in rows}
