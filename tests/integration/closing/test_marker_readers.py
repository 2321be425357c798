"""Several processes read the log's markers, and note the same markers at the same time."""

import asyncio
from typing import cast

from streams.brokers import Brokers
from streams.completeness.markers import Markers
from streams.store.database import Pool
from tests.integration.closing.conftest import Desk
from tests.integration.closing.test_doubts import emitted


async def test_readers_that_note_the_same_markers_do_not_lock_each_other_out(desk: Desk, pool: Pool) -> None:
    await desk.close(1)
    markers = [await emitted(pool, 100 + number) for number in range(300)]
    readers = [Markers(pool, Brokers("127.0.0.1:1"), "messages", "prefix") for _ in range(4)]
    orders = [markers, markers[::-1]]  # a set has any order
    for _ in range(5):
        await asyncio.gather(
            *(
                reader._note_seen(cast("set[tuple[int, str]]", orders[place % 2]))
                for place, reader in enumerate(readers)
            )
        )
    assert await pool.fetchval("select count(*) from funnelproof.marker where seen_at is null") == 0
