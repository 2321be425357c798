"""A process of its own that closes a window and publishes it: `python -m ... <dsn> <kafka> <topic>`. It never ends."""

import asyncio
import sys

import asyncpg

from streams.brokers import Brokers
from streams.cdc.event_producer import EventProducer
from streams.publish.outbox import OutboxPublisher
from tests.integration.closing.conftest import desk_of, entry


async def main(dsn: str, kafka: str, topic: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, server_settings={"timezone": "UTC"}) as pool:
        desk = await desk_of(pool)
        desk.write("a", entry(0, 1))
        await desk.flush()
        await desk.close(60)
        await OutboxPublisher(pool, EventProducer(Brokers(kafka), topic), lambda: True).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
