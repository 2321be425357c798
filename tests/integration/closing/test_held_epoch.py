import asyncio

import asyncpg
import pytest

from streams.domain.plan import plan_for
from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection, Pool
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


async def test_a_worker_with_other_zone_files_is_refused_beside_the_first_and_may_follow_it(
    pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def days_in_berlin(_: Connection) -> Epoch:
        return Epoch("data", "topic", 1, plan_for(("day",), "Europe/Berlin"))

    first, second = (
        HeldEpoch(database, "FUNNELPROOF_REPORT_DSN", days_in_berlin, name) for name in ("first", "second")
    )
    former = await first.acquire()
    monkeypatch.setattr("streams.domain.plan.offsets_digest", lambda name: f"others of {name}")
    with pytest.raises(PreconditionError, match="windows in Europe/Berlin have other boundaries by tzdata"):
        await second.acquire()
    await first.close()
    assert (await second.acquire()).id != former.id
    kept = await pool.fetchval(
        "select boundaries from funnelproof.epoch inner join funnelproof.installation using (epoch)"
    )
    assert kept == "Europe/Berlin=others of Europe/Berlin"
    await second.close()
