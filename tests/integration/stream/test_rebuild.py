"""`funnelproof rebuild`: the log begins anew while workers run, and no closed window gets a wrong revision.

former log   1 2 3 -- lost -- 5 |
new log                         | snapshot: 1 2 3 4 5, then 6 7
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.letters import FORGET, HIDDEN, IN_DOUBT

pytestmark = pytest.mark.timeout(240)

COMPLETENESS = """
select min(completeness) from dyno_crm.stage_conversion_current
where tenant_id = $1 and window_name = '1s' and window_start = $2
"""
REVISIONS = """
select count(*) from funnelproof.window_run where tenant_id = $1 and revision > 1 and window_name = '1s'
"""


@asynccontextmanager
async def kept_running(installation: Installation) -> AsyncIterator[None]:
    """Start a worker whenever none runs, as a service manager does."""

    async def keep() -> None:
        while True:
            if not any(worker.runs for worker in installation.workers):
                installation.start_worker()
                await asyncio.sleep(1.5)  # no start follows another at once
            await asyncio.sleep(0.5)

    keeper = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeper.cancel()


async def lose_an_entry(installation: Installation, funnel: Funnel) -> None:
    """Enter a deal that no event tells, into a window that is closed by then."""
    words = {
        "name": installation.settings.instance,
        "row": funnel.ids["e2c"],
        "tenant": funnel.tenant,
        "deal": funnel.ids["deal_2"],
        "pipeline": funnel.pipeline,
        "stage": funnel.ids["b"],
        "at": (await installation.now()).isoformat(),
    }
    async with installation.connection.transaction():
        await installation.connection.execute(HIDDEN.format(**words))
    await installation.wait_until(IN_DOUBT)


def has_line(command: Worker, beginning: str) -> bool:
    return any(line.startswith(beginning) for line in command.log(100).splitlines())


async def prepared_funnel(installation: Installation) -> Funnel:
    """A funnel with a closed window that is right, and an entry that was lost afterwards."""
    (funnel,) = await installation.new_funnels(1)
    start = await installation.next_window()
    for deal in ("deal_1", "deal_2"):
        await funnel.enter(installation.connection, funnel.ids[deal], "a", await installation.now())
    await installation.wait_until(f"select ({COMPLETENESS}) = 'proven'", funnel.tenant, start)
    await installation.proven()  # no revision is due
    await lose_an_entry(installation, funnel)
    return funnel


async def status(installation: Installation) -> tuple[int, dict[str, Any]]:
    done = await asyncio.to_thread(installation.run, "status", "--json")
    return done.returncode, json.loads(done.stdout)


async def test_a_log_that_lost_changes_begins_anew_beside_running_workers_and_results_are_proven_again(
    install: Install,
) -> None:
    async with install(WINDOWS="1s,1h") as installation:
        installation.start_worker()
        await installation.wait_until_folding()
        funnel = await prepared_funnel(installation)
        revisions = await installation.connection.fetchval(REVISIONS, funnel.tenant)
        _, found = await status(installation)
        assert any("`funnelproof rebuild`" in trouble for trouble in found["troubles"]), found["troubles"]

        refused = await asyncio.to_thread(installation.run, "rebuild")
        assert (refused.returncode, "give --yes" in refused.stderr) == (2, True)
        async with kept_running(installation):
            done = await asyncio.to_thread(installation.run, "rebuild", "--yes", "--json")
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["outcome"] == "equal"
            steps = ("delete the former log", "make the new log", "count", "compare")
            assert all(step in done.stderr for step in steps), done.stderr
            start = await installation.next_window()
            await installation.wait_until(f"select ({COMPLETENESS}) = 'proven'", funnel.tenant, start)
            await installation.right()
            code, found = await status(installation)
            assert (code, found["doubts"]) == (0, []), found["troubles"]
        # Only the window of the lost entry has another revision.
        assert await installation.connection.fetchval(REVISIONS, funnel.tenant) <= revisions + 1
        assert not (
            installation.settings.state_dir / installation.settings.instance / "rebuild.json"
        ).exists()


@pytest.mark.thorough
@pytest.mark.timeout(600)
async def test_a_rebuild_that_is_refused_killed_at_any_step_or_without_a_worker_goes_on_with_the_next_call(
    install: Install,
) -> None:
    async with install(WINDOWS="1s,1h") as installation:
        installation.start_worker()
        await installation.wait_until_folding()
        funnel = await prepared_funnel(installation)
        revisions = await installation.connection.fetchval(REVISIONS, funnel.tenant)
        await refused_before_anything_is_deleted(installation)
        async with kept_running(installation):
            for step in (
                "will count anew",
                "delete the former log: connector",
                "make the new log",
                "make the new log: topic",
                "delete the former log: topic",
                "make the new log: connector",
            ):
                assert not await goes_on_and_is_killed(installation, step)
        await says_how_to_go_on_without_a_worker(installation)
        async with kept_running(installation):
            for step in ("count", "compare"):
                assert await goes_on_and_is_killed(installation, step)
            done = await asyncio.to_thread(installation.run, "rebuild", "--yes", "--json")
            assert done.returncode == 0, done.stderr
            await installation.proven()
            await installation.right()
            code, found = await status(installation)
            assert (code, found["doubts"]) == (0, []), found["troubles"]
        assert await installation.connection.fetchval(REVISIONS, funnel.tenant) <= revisions + 1


async def goes_on_and_is_killed(installation: Installation, step: str) -> bool:
    """Kill a rebuild at a step; return True if it went on with the one before, whose log was made."""
    command = Worker(installation.environment, installation.folder / "killed.log", "rebuild", "--yes")
    while command.runs and not has_line(command, step):
        await asyncio.sleep(0.02)
    assert has_line(command, step), command.log(100)
    command.kill()
    return has_line(command, "will go on with the rebuild")


async def says_how_to_go_on_without_a_worker(installation: Installation) -> None:
    for worker in installation.workers:
        await worker.stop()
    done = await asyncio.to_thread(installation.run, "rebuild", "--yes", "--wait", "1s")
    assert done.returncode == 2
    assert "will count anew" in done.stderr
    assert "start `funnelproof worker`, then run `funnelproof rebuild` again" in done.stderr


async def refused_before_anything_is_deleted(installation: Installation) -> None:
    """A publication that the next log could not use is named, with the statement that mends the publication."""
    name, connection = installation.settings.instance, installation.connection
    await connection.execute(FORGET)
    await connection.execute(f"alter publication {name} add table dyno_crm.pipeline_stage")
    await installation.wait_until(IN_DOUBT)
    _, found = await status(installation)
    statement = f"alter publication {name} set table dyno_crm.deal_pipeline_stage_state"
    assert any(statement in trouble for trouble in found["troubles"]), found["troubles"]
    done = await asyncio.to_thread(installation.run, "rebuild", "--yes")
    assert (done.returncode, f"drop publication {name}" in done.stderr) == (2, True)
    assert await connection.fetchval("select active from pg_replication_slots where slot_name = $1", name)
    await connection.execute(statement)
