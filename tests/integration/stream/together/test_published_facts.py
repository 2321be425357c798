"""Results in Kafka, from a change in the CRM to the event of its revision; and a worker that dies before it tells."""

import asyncio
import re
from datetime import datetime
from uuid import uuid4

import asyncpg
import pytest

from streams.resources import sql
from tests.integration.published import PublishedEvent, read_topic, validate
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

pytestmark = pytest.mark.timeout(120)
REVISED = (
    "select exists (select from funnelproof.window_run "
    "where tenant_id = $1 and window_start = $2 and window_name = '3s' and revision = $3)"
)
ALL_PUBLISHED = "select not exists (select from funnelproof.outbox)"


async def events_of(installation: Installation, funnel: Funnel, start: datetime) -> list[PublishedEvent]:
    settings = installation.settings
    found = [
        PublishedEvent(key, value)
        for key, value in await read_topic(settings.kafka, settings.facts_topic)
        if key == f"{funnel.tenant}/{funnel.pipeline}"
        and datetime.fromisoformat(value["window_start"]) == start
        and value["window_name"] == "3s"
    ]
    for event in found:
        validate(event.value)
    return found


async def test_a_late_entry_is_published_as_a_revision_with_the_counts_before(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    start = await installation.next_window()
    await funnel.enter_two_deals(connection, start)
    await installation.wait_until(REVISED, funnel.tenant, start, 1)
    await funnel.enter(connection, uuid4(), "a", start)
    await installation.wait_until(REVISED, funnel.tenant, start, 2)
    await installation.wait_until(ALL_PUBLISHED)
    first, second = await events_of(installation, funnel, start)
    assert (first.revision, first.value["completeness"], first.value["causes"]) == (1, "proven", [])
    assert (second.revision, second.value["causes"]) == (2, ["late_insert"])
    first_pair, second_pair = (event.value["pairs"][0] for event in (first, second))
    assert (first_pair["from_stage"], first_pair["to_stage"]) == ("a", "b")
    assert (first_pair["entered_count"], first_pair["converted_count"]) == (2, 2)
    assert (second_pair["entered_before"], second_pair["converted_before"]) == (2, 2)
    assert (second_pair["entered_count"], second_pair["converted_count"]) == (3, 2)


@pytest.mark.thorough
async def test_a_worker_that_is_killed_after_a_close_has_told_kafka_nothing_and_the_next_one_does(
    installation: Installation, funnel: Funnel
) -> None:
    await installation.wait_until(ALL_PUBLISHED)
    holder = await asyncpg.connect(installation.settings.facts_dsn)
    try:
        async with holder.transaction():
            while not await holder.fetchval(sql("queries/publish/outbox_lock")):
                await asyncio.sleep(0.01)
            start = await installation.next_window()
            await installation.wait_until(REVISED, funnel.tenant, start, 1)
            installation.workers[-1].kill()
            assert await events_of(installation, funnel, start) == []
            await installation.connection.execute(
                "update funnelproof.outbox set recorded_at = recorded_at - interval '2 min'"
            )
            status = await asyncio.to_thread(installation.run, "status", "--json")
            assert status.returncode == 1
            assert re.search(r"results wait for Kafka, the oldest for (1[2-9]\d s|\d min)", status.stdout)
    finally:
        await holder.close()
    installation.start_worker()
    await installation.wait_until_folding()
    await installation.wait_until(ALL_PUBLISHED)
    assert [event.revision for event in await events_of(installation, funnel, start)] == [1]
