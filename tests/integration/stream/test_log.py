"""Kafka deletes the log's beginning, or somebody makes the topic anew: closed facts stay right, or in doubt.

A funnel that begins anew has a snapshot in a new log, and corrects its closed windows.

records    0 1 2 3 4 5 6 7 8 | 9 ...
deleted    -----------------
worker                       ^ has folded them, and goes on; another without its checkpoints is refused
"""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from tests.integration.deletion import delete_records, set_topic
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.standing_still import stopped

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

DOUBTS = (
    "select coalesce(array_agg(kind order by kind), '{}') from funnelproof.doubt where resolved_at is null"
)
IN_DOUBT = "select exists (select from funnelproof.doubt where kind = $1 and resolved_at is null)"
RUNS = "select jsonb_agg(r order by r) from funnelproof.window_run as r where r.revision > 1"
FIRST_DEAL = """
select deal_id, min(entered_at) as entered_at from dyno_crm.deal_pipeline_stage_state
group by deal_id order by 2 limit 1
"""
REVISED = """
select exists (
    select from funnelproof.window_run
    where window_name = '1s' and window_start <= $1 and window_end > $1 and revision > 1
)
"""
CLOSED = """
select min(completeness) from dyno_crm.stage_conversion_current
where tenant_id = $1 and window_name = '1s' and window_start = $2
"""


async def enter(installation: Installation, funnel: Funnel) -> None:
    """Let a new deal enter the first stage, then the second."""
    deal = uuid4()
    for stage in "ab":
        await funnel.enter(installation.connection, deal, stage, await installation.now())


async def ends(installation: Installation) -> dict[int, int]:
    settings = installation.settings
    return await Topics(settings.brokers).ends(
        settings.data_topic, range(settings.partitions), committed=False
    )


async def next_close(installation: Installation, funnel: Funnel) -> str:
    """Wait until a window that begins now is closed; return what it is worth."""
    start = await installation.next_window()
    await enter(installation, funnel)
    await installation.wait_until(f"select ({CLOSED}) is not null", funnel.tenant, start, seconds=30)
    found: str = await installation.connection.fetchval(CLOSED, funnel.tenant, start)
    return found


@asynccontextmanager
async def proving(install: Install) -> AsyncIterator[tuple[Installation, Funnel, Worker]]:
    """An installation with a funnel and a worker, which has closed a first window as proven."""
    async with install(WINDOWS="1s,1h") as installation:
        funnel = Funnel()
        await funnel.create(installation.connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        assert await next_close(installation, funnel) == "proven"
        yield installation, funnel, worker


def checkpoints(installation: Installation) -> Path:
    return installation.settings.state_dir / installation.settings.instance / "checkpoints"


async def test_a_log_that_lost_records_or_was_made_anew_overwrites_no_fact_and_beginning_anew_makes_everything_equal(
    install: Install,
) -> None:
    async with proving(install) as (installation, funnel, worker):
        successor = await those_who_folded_a_deleted_beginning_go_on(installation, funnel, worker)
        await a_worker_that_was_too_slow_for_a_deletion_stops_and_leaves_a_doubt(
            installation, funnel, successor
        )
        await a_topic_made_anew_by_hand_overwrites_no_fact(installation, funnel)
        await beginning_anew_corrects_closed_windows_and_settles_all_doubts(installation, funnel)


async def those_who_folded_a_deleted_beginning_go_on(
    installation: Installation, funnel: Funnel, worker: Worker
) -> Worker:
    """A worker without the checkpoints is refused."""
    connection, settings = installation.connection, installation.settings

    await delete_records(
        settings.kafka, settings.data_topic, await ends(installation), policy="compact,delete"
    )
    await installation.wait_until(IN_DOUBT, "retention")
    assert await next_close(installation, funnel) == "estimated"
    await installation.right(funnel.tenant)
    status = await asyncio.to_thread(installation.run, "status", "--json")
    assert status.returncode == 1
    assert "cleanup.policy" in json.dumps(json.loads(status.stdout)["doubts"])
    assert await worker.stop() == 0
    refused = await asyncio.to_thread(installation.run, "worker")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "cleanup.policy=compact,delete: Kafka deletes its oldest records" in refused.stderr

    await set_topic(settings.kafka, settings.data_topic, DATA_TOPIC_SETTINGS)
    revisions = await connection.fetchval(RUNS)
    elsewhere = installation.folder / "checkpoints"
    shutil.move(checkpoints(installation), elsewhere)
    moved = installation.start_worker()
    assert await asyncio.to_thread(moved.process.wait, 60) == 1
    assert f"of {settings.data_topic} begins at" in moved.log(1)
    assert "funnelproof rebuild" in moved.log(1)
    assert await connection.fetchval(DOUBTS) == ["log", "retention"]
    assert await connection.fetchval(RUNS) == revisions

    shutil.rmtree(checkpoints(installation), ignore_errors=True)
    shutil.move(elsewhere, checkpoints(installation))
    successor = installation.start_worker()
    await installation.wait_until_folding()
    await installation.right(funnel.tenant)
    outcome, found = await asyncio.to_thread(installation.reconcile)
    assert (outcome, found["outcome"]) == (0, "equal"), found
    assert await connection.fetchval(DOUBTS) == []
    assert await next_close(installation, funnel) == "proven"
    await installation.right(funnel.tenant)
    return successor


async def a_worker_that_was_too_slow_for_a_deletion_stops_and_leaves_a_doubt(
    installation: Installation, funnel: Funnel, worker: Worker
) -> None:
    settings = installation.settings
    with stopped(worker.process.pid):
        for _ in range(3):  # the first answers the fetch that waits at the broker
            before = await ends(installation)
            async with asyncio.timeout(20):
                while sum((behind := await ends(installation)).values()) < sum(before.values()) + 10:
                    await enter(installation, funnel)
                    await asyncio.sleep(0.2)
        await delete_records(settings.kafka, settings.data_topic, behind)
    assert await asyncio.to_thread(worker.process.wait, 60) == 1
    assert "records" in (last := worker.log(1))
    assert "were deleted" in last
    assert "funnelproof rebuild" in last
    assert await installation.connection.fetchval(DOUBTS) == ["log"]


async def a_topic_made_anew_by_hand_overwrites_no_fact(installation: Installation, funnel: Funnel) -> None:
    connection, settings = installation.connection, installation.settings
    revisions = await connection.fetchval(RUNS)
    topics = Topics(settings.brokers)
    await topics.delete([settings.data_topic])
    await topics.ensure(settings.data_topic, settings.partitions, DATA_TOPIC_SETTINGS)
    successor = installation.start_worker()
    await installation.wait_until_folding()
    await installation.wait_until(IN_DOUBT, "topic")
    start = await installation.next_window()
    await installation.wait_until(f"select ({CLOSED}) is not null", funnel.tenant, start, seconds=30)
    assert await connection.fetchval(CLOSED, funnel.tenant, start) == "estimated"
    assert await connection.fetchval(RUNS) == revisions
    assert await connection.fetchval("select count(*) > 0 from funnelproof.touched_window")
    outcome, _ = await asyncio.to_thread(installation.reconcile)
    assert await connection.fetchval(RUNS) == revisions
    assert outcome != 0 or "topic" in await connection.fetchval(DOUBTS)
    assert await successor.stop() == 0


async def beginning_anew_corrects_closed_windows_and_settles_all_doubts(
    installation: Installation, funnel: Funnel
) -> None:
    """A deal that is deleted in between has no event in the new log; also: `faust` itself can run the worker."""
    connection = installation.connection
    done = await asyncio.to_thread(installation.run, "connector", "delete", "--topics", "--json")
    assert (done.returncode, json.loads(done.stdout)["deleted"]) == (0, True)
    status = await asyncio.to_thread(installation.run, "connector", "status")
    assert (status.returncode, "ABSENT" in status.stdout) == (1, True), (status.stdout, status.stderr)
    slots = "select count(*) from pg_replication_slots where slot_name = current_database()"
    assert await connection.fetchval(slots) == 0
    first = await connection.fetchrow(FIRST_DEAL)
    assert first is not None
    await connection.execute(
        "delete from dyno_crm.deal_pipeline_stage_state where deal_id = $1", first["deal_id"]
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
        assert (outcome, found["outcome"], found["undecided"]) == (0, "equal", []), found
        assert await connection.fetchval(REVISED, first["entered_at"])
        assert await connection.fetchval(DOUBTS) == []
        assert await next_close(installation, funnel) == "proven"
    finally:
        faust.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(faust.wait(), 30) == 0
