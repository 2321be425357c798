"""When windows close, on what evidence, and what a transaction that is open at their end does to it.

window   |---------W---------|
tx          begin, insert         commit        a writer: W waits for it, for PROOF_WAIT at most
tx       begin .....................            wrote elsewhere: nobody waits
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from streams.store.database import OwnConnection
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

pytestmark = pytest.mark.timeout(120)

PARAMETERS = {
    *("pipeline_id", "stage_pairs", "window", "timezone", "revision", "causes", "completeness", "reasons"),
    *("open_transactions", "source_lsn", "positions", "origin"),
}
CLOSED = """
select exists (
    select from dyno_crm.stage_conversion_current
    where tenant_id = $1 and window_name = '3s' and window_start = $2 and revision >= $3
)
"""


@pytest.fixture
async def writer(installation: Installation) -> AsyncIterator[OwnConnection]:
    """A second session in the CRM."""
    connection = await asyncpg.connect(installation.settings.source_dsn)
    yield connection
    await connection.close()


async def closed(
    installation: Installation, funnel: Funnel, start: datetime, revision: int = 1
) -> list[asyncpg.Record]:
    """Wait until the window is closed, or revised; return its facts of the pipeline, in order."""
    await installation.wait_until(CLOSED, funnel.tenant, start, revision)
    return await installation.connection.fetch(
        "select *, extract(epoch from closed_at - window_end)::float8 as seconds "
        "from dyno_crm.stage_conversion_current "
        "where pipeline_id = $1 and window_name = '3s' and window_start = $2 order by from_stage",
        *(funnel.pipeline, start),
    )


async def parameters(installation: Installation, fact: asyncpg.Record) -> dict[str, Any]:
    header = "select parameters from dyno_crm.report_run where id = $1"
    told: dict[str, Any] = json.loads(await installation.connection.fetchval(header, fact["run_id"]))
    return told


async def test_a_window_of_an_idle_source_closes_proven_within_three_seconds_and_its_run_says_what_it_stands_for(
    installation: Installation, funnel: Funnel
) -> None:
    start = await installation.next_window()
    facts = await closed(installation, funnel, start)
    assert [(fact["from_stage"], fact["to_stage"]) for fact in facts] == [("a", "b"), ("b", "c")]
    for fact in facts:
        assert (fact["entered_count"], fact["converted_count"], fact["conversion_rate"]) == (0, 0, 0)
        assert (fact["completeness"], fact["revision"]) == ("proven", 1)
        assert 0 <= fact["seconds"] < 3
    told = await parameters(installation, facts[0])
    assert told.keys() == PARAMETERS
    assert told["pipeline_id"] == str(funnel.pipeline)
    assert {(pair["from_stage_id"], pair["to_stage_id"]) for pair in told["stage_pairs"]} == {
        (str(each["from_stage_id"]), str(each["to_stage_id"])) for each in facts
    }
    assert (told["window"], told["timezone"], told["revision"]) == ("3s", "UTC", 1)
    assert (told["causes"], told["completeness"], told["origin"]) == ([], "proven", "stream")
    assert told["open_transactions"] == []
    assert told["positions"].keys() == {"0", "1", "2", "3"}
    assert await installation.connection.fetchval(
        "select $1::text::pg_lsn < pg_current_wal_lsn()", told["source_lsn"]
    )


async def test_the_facts_of_a_busy_window_are_there_within_three_seconds_of_its_end(
    installation: Installation, funnel: Funnel
) -> None:
    start = await installation.next_window()
    for _ in range(50):
        await funnel.enter(installation.connection, uuid4(), "a", await installation.now())
        await asyncio.sleep(0.03)
    facts = await closed(installation, funnel, start)
    assert facts[0]["entered_count"] == 50
    assert facts[0]["completeness"] == "proven"
    assert facts[0]["seconds"] < 3
    await installation.right(funnel.tenant)


async def test_a_window_waits_for_a_transaction_that_wrote_before_its_end_and_past_the_proof_wait_is_estimated(
    installation: Installation, funnel: Funnel, writer: OwnConnection
) -> None:
    """One transaction writes into two windows: the first closes without it, the last waits for its commit."""
    first = await installation.next_window()
    last = first + timedelta(seconds=6)
    pid = await writer.fetchval("select pg_backend_pid()")
    async with writer.transaction():
        await funnel.enter(writer, uuid4(), "a", await installation.now())
        await asyncio.sleep(1.1)
        told = (await asyncio.to_thread(installation.run, "status", "--verbose")).stdout
        assert re.search(rf"writing +pid {pid} \(.*\), open for [1-9] s", told), told
        steps = ("barrier", "marker", "progress", "publish")
        assert re.search("took +" + ", ".join(rf"{step} \d+ ms" for step in steps), told), told
        await until(installation, last)
        await funnel.enter(writer, uuid4(), "a", await installation.now())
        fact, _ = await closed(installation, funnel, first)
        assert 6 <= fact["seconds"] < 9
        assert (fact["entered_count"], fact["completeness"]) == (0, "estimated")
        told_of_first = await parameters(installation, fact)
        assert [transaction["pid"] for transaction in told_of_first["open_transactions"]] == [pid]
        assert told_of_first["completeness"] == "estimated"
        await until(installation, last + timedelta(seconds=4.8))
        assert not await installation.connection.fetchval(CLOSED, funnel.tenant, last, 1)
    fact, _ = await closed(installation, funnel, last)
    assert (fact["entered_count"], fact["revision"], fact["completeness"]) == (1, 1, "proven")
    assert fact["seconds"] > 1.5
    fact, _ = await closed(installation, funnel, first, revision=2)
    assert (fact["entered_count"], fact["revision"]) == (1, 2)
    assert (await parameters(installation, fact))["causes"] == ["late_insert"]
    await installation.right(funnel.tenant)


async def until(installation: Installation, moment: datetime) -> None:
    """Wait until the source's clock says so; a moment that has passed is not waited for."""
    await asyncio.sleep((moment - await installation.now()).total_seconds())


async def test_an_idle_table_closes_proven_within_three_seconds_in_a_busy_cluster_with_a_long_transaction(
    installation: Installation, funnel: Funnel, writer: OwnConnection
) -> None:
    """The slot reads what others write, in this database and beside it, and passes nothing of it on."""
    await writer.execute("create table public.busy as select 0 as number from generate_series(1, 3000)")
    address = urlsplit(installation.settings.source_dsn)
    elsewhere = await asyncpg.connect(address._replace(path="/postgres").geturl())
    long = await asyncpg.connect(address.geturl())
    stop = asyncio.Event()

    async def be_busy(connection: OwnConnection, statement: str) -> None:
        while not stop.is_set():
            await connection.execute(statement)
            await asyncio.sleep(0.1)

    others = [
        asyncio.create_task(be_busy(writer, "update public.busy set number = number + 1")),
        asyncio.create_task(
            be_busy(elsewhere, "select pg_logical_emit_message(true, 'others', repeat('x', 300000))")
        ),
    ]
    try:
        async with long.transaction():
            await long.execute("create table public.elsewhere as select pg_current_xact_id()")
            await long.execute("select from dyno_crm.deal_pipeline_stage_state")
            start = await installation.next_window()
            facts = await closed(installation, funnel, start)
    finally:
        stop.set()
        await asyncio.gather(*others)
        await elsewhere.close()
        await long.close()
    assert [(fact["completeness"], fact["revision"], fact["entered_count"]) for fact in facts] == [
        ("proven", 1, 0)
    ] * 2
    assert facts[0]["seconds"] < 3
