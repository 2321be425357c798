"""`funnelproof connector`, and a funnel that begins anew."""

import asyncio
import json
import signal
import sys

import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(150)]


async def test_an_installation_can_begin_anew_with_a_snapshot_and_its_closed_windows_are_corrected(
    install: Install,
) -> None:
    """The rows deleted in between have no event in the new log; also: `faust` itself can run the worker."""
    async with install(WINDOWS="3s,1h") as installation:
        connection = installation.connection
        funnel = Funnel()
        await funnel.create(connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        await funnel.enter_two_deals(connection, await installation.next_window())
        await installation.proven()
        await installation.wait_until(
            "select exists (select from dyno_crm.stage_conversion_current where entered_count = 2)"
        )
        assert await worker.stop() == 0

        done = await asyncio.to_thread(installation.run, "connector", "delete", "--topics", "--json")
        assert (done.returncode, json.loads(done.stdout)["deleted"]) == (0, True)
        status = await asyncio.to_thread(installation.run, "connector", "status")
        assert (status.returncode, "ABSENT" in status.stdout) == (1, True), (status.stdout, status.stderr)
        assert (
            await connection.fetchval(
                "select count(*) from pg_replication_slots where slot_name = current_database()"
            )
            == 0
        )
        await connection.execute(
            "delete from dyno_crm.deal_pipeline_stage_state where deal_id in "
            "(select deal_id from dyno_crm.deal_pipeline_stage_state order by deal_id limit 1)"
        )
        for _ in range(2):  # the second time changes nothing
            done = await asyncio.to_thread(installation.run, "connector", "apply")
            assert done.returncode == 0, done.stderr
        faust = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "faust", "-A", "streams.app", "worker", "-l", "error"),
            env=installation.environment,
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await installation.wait_until_folding()
            await installation.proven()
            await installation.right(funnel.tenant)
            outcome, found = await asyncio.to_thread(installation.reconcile)
            assert (outcome, found["undecided"]) == (0, [])
            assert await connection.fetchval("select max(revision) from funnelproof.window_run") == 2
        finally:
            faust.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(faust.wait(), 30) == 0
