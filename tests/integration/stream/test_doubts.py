"""Changes that are lost without a word, late, or not to be proven: results are estimates, and say why.

marker   1   2   3 ....................... 4   5
slot         |---- moved over: lost ----|

One installation meets all this, one after the other, and the log begins anew at the end.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(240)]

COMPLETENESS = """
select min(completeness) from dyno_crm.stage_conversion_current
where tenant_id = $1 and window_name = '1s' and window_start = $2
"""
REASONS = """
select distinct parameters ->> 'reasons' from dyno_crm.stage_conversion_current
inner join dyno_crm.report_run on id = run_id
where stage_conversion_current.tenant_id = $1 and window_name = '1s' and window_start = $2
"""
IN_DOUBT = "select exists (select from funnelproof.doubt where kind = $1 and resolved_at is null)"
REASON = "select reason from funnelproof.doubt where kind = $1 and resolved_at is null"
IS_GONE = (
    "select exists (select from funnelproof.doubt "
    "where kind = 'slot' and resolved_at is null and reason like '%is gone' and last_noted_at > $1)"
)
UNSEEN_MARKER = (
    "select exists (select from funnelproof.marker where emitted_lsn is not null and seen_at is null)"
)
SLOT_IS_FREE = "select not active from pg_replication_slots where slot_name = $1"


@pytest.fixture(scope="module")
async def doubtful(install: Install) -> AsyncIterator[Installation]:
    """One of this module's own, since a doubt is about everything."""
    async with install(WINDOWS="1s,1h") as installation:
        yield installation


@pytest.fixture
async def running(doubtful: Installation) -> Installation:
    """The installation with a worker."""
    if not any(worker.runs for worker in doubtful.workers):
        doubtful.start_worker()
        await doubtful.wait_until_folding()
    return doubtful


async def ask_connect(installation: Installation, method: str, what: str) -> None:
    """Ask until Connect does it; while it rebalances it does not."""
    url = f"{installation.settings.connect_url}/connectors/{installation.settings.instance}/{what}"
    async with httpx.AsyncClient() as client:
        for _ in range(100):
            if (await client.request(method, url)).is_success:
                return
            await asyncio.sleep(0.2)
    raise AssertionError(f"{method} {url} is refused")


@asynccontextmanager
async def connector_stopped(installation: Installation) -> AsyncIterator[str]:
    """Hold the connector stopped; give the name of its slot, which nobody reads meanwhile."""
    name = installation.settings.instance
    await ask_connect(installation, "PUT", "stop")
    await installation.wait_until(SLOT_IS_FREE, name)
    yield name
    await ask_connect(installation, "PUT", "resume")


@asynccontextmanager
async def open_transaction(installation: Installation) -> AsyncIterator[None]:
    """Keep Postgres from giving up what the slot has passed, by which Debezium would notice that it was moved."""
    connection = await asyncpg.connect(installation.settings.source_dsn)
    async with connection.transaction():
        await connection.execute("create table public.elsewhere as select pg_current_xact_id()")
        await installation.proven()
        yield
    await connection.close()


async def next_closed(installation: Installation, funnel: Funnel) -> datetime:
    """Wait until a window that begins now is closed; return the window's start."""
    start = await installation.next_window()
    closed = f"select ({COMPLETENESS}) is not null"
    await installation.wait_until(
        closed, funnel.tenant, start, seconds=45
    )  # a lost marker is awaited for thirty
    return start


async def next_completeness(installation: Installation, funnel: Funnel) -> str:
    """Wait until a window that begins now is closed; return what it is worth."""
    start = await next_closed(installation, funnel)
    found: str = await installation.connection.fetchval(COMPLETENESS, funnel.tenant, start)
    return found


def told(installation: Installation) -> tuple[int, dict[str, Any]]:
    """What `funnelproof status` says."""
    done = installation.run("status", "--json")
    return done.returncode, json.loads(done.stdout)


async def different(installation: Installation) -> set[str]:
    """Return the tenants of which a reconciliation finds facts that differ."""
    status, found = await asyncio.to_thread(installation.reconcile)
    assert (status, found["outcome"]) == (1, "different"), found
    return {each["tenant_id"] for each in found["differences"]}


@pytest.fixture
async def stranger(doubtful: Installation) -> AsyncIterator[str]:
    """The address of the CRM for a role that may read it and emit no markers."""
    connection, role = doubtful.connection, f"{doubtful.settings.instance}_stranger"
    function = "function pg_logical_emit_message(boolean, text, text, boolean)"
    for statement in (
        f"create role {role} login password '{role}'",
        f"grant usage on schema dyno_crm to {role}",
        f"grant select on dyno_crm.pipeline_stage, dyno_crm.deal_pipeline_stage_state to {role}",
        f"revoke execute on {function} from public",
    ):
        await connection.execute(statement)
    address = urlsplit(doubtful.settings.source_dsn)
    yield address._replace(netloc=f"{role}:{role}@{address.netloc.rpartition('@')[2]}").geturl()
    await doubtful.workers[-1].stop()
    for statement in (f"drop owned by {role}", f"drop role {role}", f"grant execute on {function} to public"):
        await connection.execute(statement)


@pytest.fixture
def environment(doubtful: Installation, stranger: str) -> Iterator[dict[str, str]]:
    before = dict(doubtful.environment)
    doubtful.environment |= {
        "FUNNELPROOF_SOURCE_DSN": stranger,
        "FUNNELPROOF_REPORT_DSN": doubtful.settings.source_dsn,
        "FUNNELPROOF_ESTIMATE_WAIT": "2s",
    }
    yield doubtful.environment
    doubtful.environment.clear()
    doubtful.environment.update(before)


@pytest.mark.usefixtures("environment")
async def test_where_markers_are_not_allowed_windows_close_as_estimates_after_a_wait(
    doubtful: Installation,
) -> None:
    connection, funnel = doubtful.connection, Funnel()
    await funnel.create(connection)
    worker = doubtful.start_worker()
    await doubtful.wait_until_folding()
    start: datetime = await doubtful.next_window()
    await funnel.enter_two_deals(connection, start)
    await doubtful.wait_until(f"select ({COMPLETENESS}) is not null", funnel.tenant, start)
    fact = await connection.fetchrow(
        "select extract(epoch from closed_at - window_end)::float8 as seconds, entered_count, completeness, "
        "parameters ->> 'reasons' as reasons from dyno_crm.stage_conversion_current "
        "inner join dyno_crm.report_run on id = run_id "
        "where pipeline_id = $1 and window_name = '1s' and window_start = $2 and from_stage = 'a'",
        *(funnel.pipeline, start),
    )
    assert fact is not None
    assert 2 <= fact["seconds"] < 6
    assert (fact["entered_count"], fact["completeness"]) == (2, "estimated")
    assert "permission denied for function pg_logical_emit_message" in fact["reasons"]
    # Each attempt writes a marker down, and takes the marker back.
    await doubtful.wait_until("select count(*) = 0 from funnelproof.marker where emitted_lsn is null")
    status, found = await asyncio.to_thread(told, doubtful)
    assert status == 1
    assert "permission denied for function pg_logical_emit_message" in found["reasons"][0]
    assert [doubt["kind"] for doubt in found["doubts"]] == ["privilege"]
    assert any("grant the role" in trouble for trouble in found["troubles"])

    role = f"{doubtful.settings.instance}_stranger"
    await connection.execute(f"revoke select on dyno_crm.pipeline_stage from {role}")  # noqa: S608 - its own role
    assert await next_completeness(doubtful, funnel) == "estimated"  # by the stages read last
    await connection.execute(
        "grant execute on function pg_logical_emit_message(boolean, text, text, boolean) to public"
    )
    await connection.execute(f"grant select on dyno_crm.pipeline_stage to {role}")
    assert await worker.stop() == 0  # it would ask again within a minute
    doubtful.start_worker()
    await doubtful.wait_until_folding()
    assert await next_completeness(doubtful, funnel) == "proven"


async def test_a_slot_that_was_moved_over_changes_or_dropped_and_a_fresh_snapshot_are_found_and_a_new_log_heals_all(
    running: Installation,
) -> None:
    connection = running.connection
    funnel, hidden = await running.new_funnels(2)
    start = await running.next_window()
    await hidden.enter_two_deals(connection, start)
    await running.proven()
    assert await next_completeness(running, funnel) == "proven"
    await a_slot_that_was_moved_over_changes_makes_estimates(running, funnel)
    await a_fresh_snapshot_hides_a_deleted_row_and_is_a_doubt(running, hidden)
    await a_slot_that_was_dropped_lets_nothing_close_and_says_what_to_do(running, funnel)

    # As the remedy says.
    assert await running.workers[-1].stop() in (0, 1)
    await running.begin_anew()
    running.start_worker()
    await running.wait_until_folding()
    await running.proven()
    status, found = await asyncio.to_thread(running.reconcile)
    assert (status, found["outcome"]) == (0, "equal"), found
    assert await next_completeness(running, funnel) == "proven"
    await running.right(funnel.tenant, hidden.tenant)


async def a_slot_that_was_moved_over_changes_makes_estimates(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    async with open_transaction(installation), connector_stopped(installation) as slot:
        await funnel.enter(connection, uuid4(), "a", await installation.now())
        await installation.wait_until(UNSEEN_MARKER)
        await connection.fetch("select pg_replication_slot_advance($1, pg_current_wal_lsn())", slot)
        await installation.wait_until(IN_DOUBT, "slot")  # before anything is read again
    await installation.wait_until(IN_DOUBT, "marker", seconds=40)
    assert await next_completeness(installation, funnel) == "estimated"

    status, found = await asyncio.to_thread(told, installation)
    assert status == 1
    assert {doubt["kind"] for doubt in found["doubts"]} == {"slot", "marker"}
    assert any("funnelproof rebuild" in trouble for trouble in found["troubles"])
    assert str(funnel.tenant) in await different(installation)
    assert await next_completeness(installation, funnel) == "estimated"


async def a_fresh_snapshot_hides_a_deleted_row_and_is_a_doubt(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    assert str(funnel.tenant) not in await different(installation)
    async with connector_stopped(installation) as slot:
        await funnel.change(connection, "delete from :rows where id = :e1a")
        await ask_connect(installation, "DELETE", "offsets")
        await connection.fetch("select pg_drop_replication_slot($1)", slot)
    await installation.wait_until(IN_DOUBT, "snapshot", seconds=60)
    reason = await connection.fetchval(REASON, "snapshot")
    start = await next_closed(installation, funnel)
    assert reason in await connection.fetchval(REASONS, funnel.tenant, start)
    assert str(funnel.tenant) in await different(installation)


async def a_slot_that_was_dropped_lets_nothing_close_and_says_what_to_do(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    async with connector_stopped(installation) as slot:
        await installation.wait_until("select slot_topic_id is not null from funnelproof.followed")
        before = await installation.now()
        await connection.fetch("select pg_drop_replication_slot($1)", slot)
        await installation.wait_until(IS_GONE, before)
        await funnel.enter(connection, uuid4(), "a", await installation.now())
    await installation.wait_until(IN_DOUBT, "connector", seconds=60)
    start = await installation.next_window()
    await asyncio.sleep(3)
    assert await connection.fetchval(COMPLETENESS, funnel.tenant, start) is None
    _, found = await asyncio.to_thread(told, installation)
    assert any("begin anew" in trouble for trouble in found["troubles"])
