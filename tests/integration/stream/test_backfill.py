"""History from before the installation is closed by `funnelproof backfill`, on the real stack."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker

pytestmark = pytest.mark.thorough

HOUR = timedelta(hours=1)
WINDOW = timedelta(seconds=3)


def backfill(installation: Installation, start: datetime, end: datetime) -> dict[str, Any]:
    done = installation.run(*command(start, end), "--json")
    assert done.returncode == 0, done.stderr
    return cast("dict[str, Any]", json.loads(done.stdout))


def command(start: datetime, end: datetime) -> tuple[str, ...]:
    return "backfill", "--from", start.isoformat(), "--to", end.isoformat(), "--window", "3s"


async def test_a_backfill_that_was_killed_goes_on_and_history_is_then_like_everything_else(
    install: Install,
) -> None:
    async with install(WINDOWS="3s,1h") as installation:
        connection = installation.connection
        end = (await installation.now()).replace(minute=0, second=0, microsecond=0) - HOUR
        start = end - HOUR
        funnel = Funnel()
        await funnel.create(connection)
        await funnel.enter_two_deals(connection, end - 10 * WINDOW)

        early = await asyncio.to_thread(installation.run, *command(start, end))
        assert (early.returncode, "start `funnelproof worker`" in early.stderr) == (2, True)

        installation.start_worker()
        await installation.wait_until_folding()
        await killed_in_its_second_batch(installation, start, end)
        assert (
            await connection.fetchval(
                "select count(*) from funnelproof.window_run where window_end <= $1", end
            )
            == 2000
        )

        first = await asyncio.to_thread(backfill, installation, start, end)
        assert (first["windows_closed"], first["already_closed"], first["runs"]) == (200, 1000, 400)
        assert (first["pairs"], first["estimated"]) == (600, 0)
        second = await asyncio.to_thread(backfill, installation, start, end)
        assert (second["windows_closed"], second["already_closed"], second["runs"]) == (0, 1200, 0)

        deal = funnel.ids["deal_1"]
        await funnel.enter(connection, deal, "c", end - 10 * WINDOW + timedelta(milliseconds=90))
        await installation.wait_until(
            "select exists (select from funnelproof.window_run where window_start = $1 and revision = 2 "
            "and causes = '{late_insert}')",
            end - 10 * WINDOW,
        )
        span = ("--window", "3s", "--from", (end - 60 * WINDOW).isoformat(), "--to", end.isoformat())
        status, compared = await asyncio.to_thread(installation.reconcile, *span)
        assert (status, compared["outcome"], compared["runs"]) == (0, "equal", 120)
        # The workers' own windows went on closing from the installation, not from history.
        assert not await connection.fetchval(
            "select count(*) from funnelproof.window_run, funnelproof.installation "
            "where window_end > $1 and window_end <= installed_at",
            end,
        )


async def killed_in_its_second_batch(installation: Installation, start: datetime, end: datetime) -> None:
    """Let it close a thousand windows, wait at the last thing of its next transaction, and die there."""
    async with installation.connection.transaction():
        await installation.connection.execute(
            "delete from funnelproof.time_window where window_name = '3s' and window_start = $1", end - WINDOW
        )
        await installation.connection.execute(
            "insert into funnelproof.time_window values ('3s', $1, $2)", end - WINDOW, end
        )
        backfill = Worker(installation.environment, installation.folder / "killed.log", *command(start, end))
        try:
            await installation.wait_until(
                "select exists (select from pg_locks as waiting inner join pg_locks as held using (pid) "
                "where waiting.locktype = 'transactionid' and not waiting.granted and held.database = "
                "(select oid from pg_database where datname = current_database())) and 1000 = "
                "(select count(*) from funnelproof.time_window where window_end <= $1 and closed_at is not null)",
                end,
            )
        finally:
            backfill.kill()
