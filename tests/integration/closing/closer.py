"""A closer in a process of its own, to be killed: python -m tests.integration.closing.closer <dsn>."""

import asyncio
import sys

import asyncpg

from tests.integration.closing.conftest import desk_with


async def close(dsn: str) -> None:
    async with asyncpg.create_pool(
        dsn, min_size=1, max_size=2, server_settings={"timezone": "UTC", "application_name": "closer"}
    ) as pool:
        await desk_with(pool).close(60)


if __name__ == "__main__":
    asyncio.run(close(sys.argv[1]))
