"""`funnelproof reconcile --repair`: every planted fault is mended to equality, and the repair is recorded."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.plants import PLANTS, Planted, installation, planted

__all__ = ["installation", "planted"]

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(240)]

LATEST = """
select revision, causes from funnelproof.latest_run
where tenant_id = $1 and pipeline_id = $2 and window_name = '3s' and window_start = $3
"""
RECORD = "select repair.* from funnelproof.repair order by repair_id desc limit 1"
ACTIONS = """
select action.kind, action.faults, action.done_at from funnelproof.repair_action as action
where action.repair_id = $1 order by action.number
"""


BEGUN = "select count(*) > $1 from funnelproof.repair"


def repair(installation: Installation, *options: str) -> tuple[int, dict[str, Any]]:
    return installation.reconcile("--window", "3s", "--repair", *options)


async def latest(planted: Planted) -> dict[str, tuple[int, list[str]]]:
    """Return the latest revision of each fault's run, with its causes; a deleted run is missing."""
    connection = planted.installation.connection
    found = {}
    for fault, funnel in planted.funnels.items():
        row = await connection.fetchrow(LATEST, funnel.tenant, funnel.pipeline, planted.start)
        if row is not None:
            found[fault] = (row["revision"], row["causes"])
    return found


async def record(installation: Installation) -> asyncpg.Record:
    row = await installation.connection.fetchrow(RECORD)
    assert row is not None
    return row


async def test_every_planted_fault_is_mended_to_equality(planted: Planted) -> None:
    installation = planted.installation
    status, told = await asyncio.to_thread(repair, installation)
    assert (status, told["outcome"], told["repair"]["done"]) == (1, "different", None), "nobody said --yes"
    assert await installation.connection.fetchval("select count(*) from funnelproof.repair") == 0

    before = await latest(planted)
    status, told = await asyncio.to_thread(repair, installation, "--yes", "--reason", "a test of repairs")
    assert (status, told["repair"]["done"]["outcome"]) == (0, "equal"), told
    await installation.right()
    for fault, (revision, _) in (await latest(planted)).items():
        assert revision == before.get(fault, (0, []))[0] + (fault != "nothing"), fault
    causes = {fault for fault, (_, causes) in (await latest(planted)).items() if "repair" in causes}
    assert causes == set(PLANTS) - {"nothing"}

    repaired = await record(installation)
    assert (repaired["outcome"], repaired["reason"], repaired["message"]) == (
        "equal",
        "a test of repairs",
        None,
    )
    assert "@" in repaired["author"]
    assert repaired["begun_at"] < repaired["finished_at"] < datetime.now(UTC)
    actions = await installation.connection.fetch(ACTIONS, repaired["repair_id"])
    assert [action["kind"] for action in actions] == ["restate"] * 7 + ["recount"] + ["publish"] * 12
    assert all(action["done_at"] and action["faults"] for action in actions)

    status, told = await asyncio.to_thread(repair, installation, "--yes")
    assert (status, told["outcome"], "repair" in told) == (0, "equal", False), "there is nothing to repair"


async def test_a_restart_and_a_replay_from_the_beginning_keep_what_was_repaired(planted: Planted) -> None:
    """The log is the only truth: the repair is in the log, and not in a worker's memory alone."""
    installation = planted.installation
    status, _ = await asyncio.to_thread(repair, installation, "--yes")
    assert status == 0
    assert await installation.workers[-1].stop() == 0
    for checkpoint in installation.settings.state_dir.rglob("*.checkpoint"):
        checkpoint.unlink()
    planted.start_worker()
    await installation.wait_until_folding()
    await installation.proven()
    await installation.right()
    status, told = await asyncio.to_thread(installation.reconcile, "--window", "3s")
    assert (status, told["outcome"]) == (0, "equal"), told


async def test_a_repair_that_is_killed_at_any_moment_and_two_at_once_do_no_harm(planted: Planted) -> None:
    installation = planted.installation
    lose = "update dyno_crm.report_stage_conversion_fact set converted_count = 0 where tenant_id = $1"
    command = ("reconcile", "--window", "3s", "--repair", "--yes")
    for number in range(6):
        await installation.connection.execute(lose, planted.funnels["ghost"].tenant)
        begun = await installation.connection.fetchval("select count(*) from funnelproof.repair")
        process = Worker(installation.environment, installation.folder / "killed.log", *command)
        while process.runs and not await installation.connection.fetchval(BEGUN, begun):
            await asyncio.sleep(0.05)  # a closer may mend the fact first, as the repair before had asked
        await asyncio.sleep(0.3 * number)
        process.kill()
    await installation.connection.execute(lose, planted.funnels["ghost"].tenant)
    both = await asyncio.gather(*(asyncio.to_thread(installation.run, *command) for _ in range(2)))
    assert 0 in [done.returncode for done in both], both
    await installation.proven()
    await installation.right()
    status, told = await asyncio.to_thread(installation.reconcile, "--window", "3s")
    assert (status, told["outcome"]) == (0, "equal"), told
    begun = await installation.connection.fetchval("select count(*) from funnelproof.repair")
    while not await installation.connection.fetchval(BEGUN, begun):
        await installation.connection.execute(lose, planted.funnels["ghost"].tenant)
        assert (await asyncio.to_thread(repair, installation, "--yes"))[0] == 0
    killed = "select count(*) from funnelproof.repair where outcome is null"
    assert await installation.connection.fetchval(killed) == 0, (
        "the next repair records that a former was killed"
    )


async def test_a_repair_without_a_worker_changes_nothing_and_says_so(planted: Planted) -> None:
    installation = planted.installation
    await installation.connection.execute(
        "update dyno_crm.report_stage_conversion_fact set converted_count = 0 where tenant_id = $1",
        planted.funnels["stale"].tenant,
    )
    assert await installation.workers[-1].stop() == 0
    done = await asyncio.to_thread(installation.run, "reconcile", "--window", "3s", "--repair", "--yes")
    assert done.returncode == 2
    assert "start `funnelproof worker`" in done.stderr
    planted.start_worker()
    await installation.wait_until_folding()
    status, told = await asyncio.to_thread(repair, installation, "--yes")
    assert (status, told["repair"]["done"]["outcome"]) == (0, "equal"), told
