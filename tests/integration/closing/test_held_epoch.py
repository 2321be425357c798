import asyncio

import asyncpg

from streams.resources import sql
from streams.store.database import Connection
from streams.store.epoch import Epoch
from streams.store.held_epoch import HeldEpoch


async def test_a_worker_that_is_paused_while_it_takes_hold_keeps_others_waiting_for_seconds_only(
    database: str,
) -> None:
    async def epoch(_: Connection) -> Epoch:
        raise NotImplementedError

    paused = await HeldEpoch(database, "FUNNELPROOF_REPORT_DSN", epoch, "paused")._connect()
    await paused.execute("begin")
    await paused.execute(sql("queries/store/epoch_order"))
    other = await asyncpg.connect(database)
    await asyncio.wait_for(other.execute(sql("queries/store/epoch_order")), 15)
    await other.close()
    paused.terminate()
