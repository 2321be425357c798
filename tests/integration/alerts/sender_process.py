"""A process of its own that sends what waits for a webhook: `python -m ... <dsn> <url>`. It never ends."""

import asyncio
import sys

import asyncpg

from streams.alerts.delivery.sender import Sender
from streams.alerts.delivery.webhook import Webhook
from tests.integration.alerts.conftest import ENVELOPES, SECRET, real_time


async def main(dsn: str, url: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, server_settings={"timezone": "UTC"}) as pool:
        await Sender(pool, Webhook("hook", url, [SECRET], ENVELOPES), real_time).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
