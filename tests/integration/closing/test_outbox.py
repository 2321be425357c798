"""Every revision reaches Kafka after its commit: nothing is lost, and what belongs together comes in order."""

import asyncio
import os
import re
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import asyncpg
import jsonschema
import pytest
from confluent_kafka import KafkaException

from streams.brokers import Brokers
from streams.cdc.event_producer import Event, EventProducer
from streams.cdc.topics import Topics
from streams.publish import outbox
from streams.publish.outbox import OutboxPublisher
from streams.resources import sql
from streams.store.database import Pool
from tests.integration.closing.conftest import IDLE, SALES, TENANT, Desk, entry
from tests.integration.published import PublishedEvent, published, validate
from tests.servers import EmbeddedServers

pytestmark = pytest.mark.timeout(120)
SALES_KEY = f"{TENANT}/{SALES.pipeline_id}"
UNPUBLISHED = "select count(*) from funnelproof.outbox"


class CountingProducer(EventProducer):
    """A producer that notes how many events each batch had."""

    def __init__(self, servers: str, topic: str) -> None:
        super().__init__(Brokers(servers), topic)
        self.batches: list[int] = []

    async def send(self, events: Sequence[Event]) -> None:
        self.batches.append(len(events))
        await super().send(events)


@dataclass
class Outlet:
    """A topic that nobody has made yet, and publishers to it."""

    pool: Pool
    kafka: str
    topic: str

    def publisher(self, producer: EventProducer | None = None) -> OutboxPublisher:
        return OutboxPublisher(
            self.pool, producer or EventProducer(Brokers(self.kafka), self.topic), lambda: True
        )

    async def events(self) -> list[PublishedEvent]:
        return await published(self.kafka, self.topic)

    async def publish(self) -> list[PublishedEvent]:
        """Publish all that waits; return all that was published so far."""
        publisher = self.publisher()
        while await publisher.publish_some():
            pass
        return await self.events()


@pytest.fixture
async def outlet(pool: Pool, kafka: str) -> AsyncIterator[Outlet]:
    topic = f"outbox_{uuid4().hex}.facts"
    yield Outlet(pool, kafka, topic)
    await Topics(Brokers(kafka)).delete([topic])


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "AT_ONCE", 4)
    monkeypatch.setattr(outbox, "EVERY", 0.01)


async def soon(condition: Callable[[], Awaitable[object]], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running(*publishers: OutboxPublisher) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(publisher.run()) for publisher in publishers]
    try:
        yield
        assert not [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def is_published(pool: Pool) -> bool:
    return bool(await pool.fetchval(UNPUBLISHED) == 0)


async def close_and_revise(desk: Desk, times: int) -> None:
    """Close one window of two pipelines, and revise one of them so many times."""
    await desk.close(60, scopes=(SALES, IDLE))
    for number in range(times):
        desk.write(f"row {number}", entry(0, 1), deal=f"deal {number}")
        await desk.flush()
        await desk.close(61 + number, scopes=(SALES, IDLE))


async def test_a_first_result_says_all_that_the_views_say(desk: Desk, outlet: Outlet) -> None:
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    desk.write("c", entry(0, 3), deal="another")
    await desk.flush()
    await desk.close(60, "a marker was lost")
    (event,) = await outlet.publish()
    header = await outlet.pool.fetchrow("select id::text, generated_at from dyno_crm.report_run")
    assert header is not None
    assert event.key == SALES_KEY
    told = dict(event.value)
    assert datetime.fromisoformat(told.pop("closed_at")) == header["generated_at"]
    pairs = told.pop("pairs")
    assert told == {
        "schema_version": 1,
        "sequence": 1,
        "run_id": header["id"],
        "tenant_id": TENANT,
        "pipeline_id": SALES.pipeline_id,
        "window_name": "1m",
        "window_start": "2026-11-23T12:00:00+00:00",
        "window_end": "2026-11-23T12:01:00+00:00",
        "timezone": "UTC",
        "revision": 1,
        "causes": [],
        "completeness": "estimated",
        "reasons": ["a marker was lost"],
        "source_lsn": f"0/{desk.lsn:X}",
        "positions": {"0": 3, "1": 0},
    }
    facts = await outlet.pool.fetch(
        """
        select
            from_stage_id::text, from_stage, to_stage_id::text, to_stage,
            entered_count, converted_count, conversion_rate::double precision,
            null as entered_before, null as converted_before
        from dyno_crm.stage_conversion_current order by from_stage
        """
    )
    assert pairs == [dict(fact) for fact in facts]
    assert [tuple(pair.values())[4:7] for pair in pairs] == [(2, 1, 0.5), (1, 0, 0)]


async def test_a_revision_says_what_it_changed_and_why(desk: Desk, outlet: Outlet) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.close(60)
    desk.write("b", entry(1, 2))
    await desk.flush()
    await desk.close(61)
    first, second = await outlet.publish()
    assert (first.revision, second.revision) == (1, 2)
    assert first.window == second.window
    assert second.value["causes"] == ["late_insert"]
    assert [
        (pair["entered_before"], pair["entered_count"], pair["converted_before"], pair["converted_count"])
        for pair in second.value["pairs"]
    ] == [(1, 1, 0, 1), (0, 1, 0, 0)]


@pytest.mark.usefixtures("few_at_once")
async def test_events_come_in_the_order_of_their_commits(desk: Desk, outlet: Outlet) -> None:
    await close_and_revise(desk, 3)
    await desk.close(180, scopes=(SALES, IDLE))
    await outlet.publish()
    await close_and_revise(desk, 6)
    events = await outlet.publish()
    assert all(one.sequence < next_one.sequence for one, next_one in pairwise(events))
    last: dict[tuple[str, str, str], int] = {}
    for event in events:
        assert event.revision == last.get(event.window, 0) + 1
        last[event.window] = event.revision
    runs = await outlet.pool.fetch("select run_id::text from funnelproof.window_run")
    assert {event.value["run_id"] for event in events} == {run["run_id"] for run in runs}


@pytest.mark.usefixtures("few_at_once")
async def test_a_backlog_is_drained_in_bounded_batches(
    desk: Desk, outlet: Outlet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_BATCHES", 2)
    await desk.close(60 * 11)
    producer = CountingProducer(outlet.kafka, outlet.topic)
    publisher = outlet.publisher(producer)
    assert await publisher.publish_some()
    assert producer.batches == [4, 4]
    assert (publisher.unpublished, publisher.published) == (3, 8)
    assert not await publisher.publish_some()
    assert producer.batches == [4, 4, 3]
    assert (publisher.unpublished, publisher.published) == (0, 11)
    assert len(await outlet.events()) == 11


@pytest.mark.usefixtures("few_at_once")
async def test_two_publishers_publish_each_event_once_and_in_order(desk: Desk, outlet: Outlet) -> None:
    async with running(outlet.publisher(), outlet.publisher()):
        for minute in range(1, 6):
            await desk.close(60 * 10 * minute)
            await asyncio.sleep(0.1)
        await soon(lambda: is_published(outlet.pool))
    assert [event.sequence for event in await outlet.events()] == list(range(1, 51))


@asynccontextmanager
async def closing_process(outlet: Outlet, database: str) -> AsyncIterator[Process]:
    """A process that closes a window and publishes it, if it is let."""
    module = "tests.integration.closing.outbox_process"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, database, outlet.kafka, outlet.topic
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def kill(process: Process) -> None:
    assert process.returncode is None, "it ended by itself"
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_a_worker_that_is_killed_between_commit_and_publication_loses_nothing(
    outlet: Outlet, database: str
) -> None:
    pool = outlet.pool
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchval(sql("queries/publish/outbox_lock"))  # nobody else publishes now
        async with closing_process(outlet, database) as process:
            await soon(lambda: pool.fetchval("select count(*) from funnelproof.window_run"))
            await asyncio.sleep(1)  # time in which it would publish
            await kill(process)
        assert await outlet.events() == []
    events = await outlet.publish()
    assert [(event.sequence, event.revision) for event in events] == [(1, 1)]


async def test_a_worker_that_is_killed_between_publication_and_its_note_publishes_the_same_again(
    outlet: Outlet, database: str
) -> None:
    pool = outlet.pool
    async with closing_process(outlet, database) as process, pool.acquire() as noting, noting.transaction():
        async with pool.acquire() as publishing, publishing.transaction():
            await publishing.fetchval(sql("queries/publish/outbox_lock"))
            await soon(lambda: pool.fetchval(UNPUBLISHED))
            await noting.execute("select from funnelproof.outbox for update")  # nobody takes it out now
        await soon(outlet.events)
        await kill(process)
    await soon(lambda: published_again(outlet))
    once, again = await outlet.events()
    assert once == again


async def published_again(outlet: Outlet) -> bool:
    """Try until the killed one's session has ended, and with it its lock."""
    return len(await outlet.publish()) == 2


async def test_a_publisher_that_wakes_up_after_another_took_over_cannot_publish_any_more(
    outlet: Outlet,
) -> None:
    paused, successor = (EventProducer(Brokers(outlet.kafka), outlet.topic) for _ in range(2))
    event = Event("key", "{}")
    await paused.prepare()
    await paused.send([event])
    await successor.prepare()
    await successor.send([event])
    with pytest.raises(KafkaException, match="fenced"):
        await paused.send([event])


async def test_a_run_that_is_deleted_before_its_event_holds_nothing_up(desk: Desk, outlet: Outlet) -> None:
    await close_and_revise(desk, 2)
    await outlet.pool.execute(
        "delete from dyno_crm.report_run where id = "
        "(select run_id from funnelproof.window_run where revision = 1 and pipeline_id = $1::text::uuid)",
        SALES.pipeline_id,
    )
    events = await outlet.publish()
    assert [event.revision for event in events] == [1, 2, 3]
    assert [event.key == SALES_KEY for event in events] == [False, True, True]
    before = [[pair["entered_before"] for pair in event.value["pairs"]] for event in events[1:]]
    assert before == [[None, None], [1, 0]]
    assert await is_published(outlet.pool)


async def test_a_missing_topic_is_made_and_made_again(desk: Desk, outlet: Outlet) -> None:
    topics, publisher = Topics(Brokers(outlet.kafka)), outlet.publisher()
    await desk.close(60)
    async with running(publisher):
        await soon(lambda: is_published(outlet.pool))
        topic = await topics.require(outlet.topic)
        assert (topic.partitions, topic.settings["cleanup.policy"]) == (1, "delete")
        await topics.delete([outlet.topic])
        await desk.close(120)
        await soon(lambda: is_published(outlet.pool))
    assert [event.sequence for event in await outlet.events()] == [2]


@pytest.fixture
async def outlet_of_own(pool: Pool, own_servers: EmbeddedServers) -> AsyncIterator[Outlet]:
    """An outlet to a broker that may be paused."""
    topic = f"outbox_{uuid4().hex}.facts"
    yield Outlet(pool, own_servers.kafka, topic)
    await Topics(Brokers(own_servers.kafka)).delete([topic])


@pytest.fixture
def paused_broker(own_servers: EmbeddedServers) -> Iterator[int]:
    assert own_servers.kafka
    broker = own_servers.stack.kafka.pid
    assert broker is not None
    os.kill(broker, signal.SIGSTOP)
    yield broker
    os.kill(broker, signal.SIGCONT)


@pytest.mark.thorough
async def test_windows_close_while_the_broker_is_away_and_are_published_when_it_is_back(
    desk: Desk, outlet_of_own: Outlet, paused_broker: int
) -> None:
    outlet = outlet_of_own
    publisher = outlet.publisher()
    async with running(publisher):
        for minute in (1, 2, 3):
            assert (await desk.close(60 * minute)).windows == 1
        await soon(lambda: asyncio.sleep(0, publisher.trouble.why))
        assert "no Kafka broker answers" in str(publisher.trouble.why)
        assert publisher.unpublished
        assert publisher.waiting_since is not None
        assert (await desk.close(60 * 4)).windows == 1
        os.kill(paused_broker, signal.SIGCONT)
        await soon(lambda: is_published(outlet.pool))
        await soon(lambda: asyncio.sleep(0, publisher.waiting_since is None))
        assert publisher.trouble.why is None
    assert sorted({event.sequence for event in await outlet.events()}) == [1, 2, 3, 4]


async def test_publishers_that_are_not_active_do_nothing(desk: Desk, outlet: Outlet) -> None:
    await desk.close(60)
    publisher = OutboxPublisher(
        outlet.pool, EventProducer(Brokers(outlet.kafka), outlet.topic), is_active=lambda: False
    )
    async with running(publisher):
        await asyncio.sleep(0.7)
    assert publisher.unpublished is None
    assert await outlet.pool.fetchval(UNPUBLISHED) == 1
    assert await Topics(Brokers(outlet.kafka)).describe(outlet.topic) is None


async def test_the_operations_page_says_how_to_publish_everything_again(desk: Desk, outlet: Outlet) -> None:
    await close_and_revise(desk, 2)
    once = await outlet.publish()
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
    (statement,) = re.findall(r"```sql\n(insert into funnelproof.outbox.*?)```", page, re.DOTALL)
    await outlet.pool.execute(statement)
    again = (await outlet.publish())[len(once) :]
    assert [event.sequence for event in again] == [5, 6, 7, 8]
    assert {event.value["run_id"]: {**event.value, "sequence": 0} for event in again} == {
        event.value["run_id"]: {**event.value, "sequence": 0} for event in once
    }


async def test_names_of_stages_may_be_missing(desk: Desk, outlet: Outlet) -> None:
    await desk.close(60)
    proof = desk.proof(61)
    first, second, _ = proof.marker.stages
    marker = replace(proof.marker, stages=[replace(first, name=None), second])
    await desk.closing.publish(proof=replace(proof, marker=marker), windows=[])
    (event,) = await outlet.publish()
    assert [(pair["from_stage"], pair["to_stage"]) for pair in event.value["pairs"]] == [
        (None, "stage 1"),
        ("stage 1", None),
    ]


async def test_the_schema_refuses_what_is_not_an_event(desk: Desk, outlet: Outlet) -> None:
    await desk.close(60)
    (event,) = await outlet.publish()
    pair = event.value["pairs"][0]
    for wrong in (
        {"sequence": None},
        {"window_start": "yesterday"},
        {"tenant_id": "7"},
        {"completeness": "sure"},
        {"more": 1},
        {"pairs": [{**pair, "entered_count": -1}]},
        {"pairs": [{**pair, "entered_before": 3}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            validate({**event.value, **wrong})


async def test_an_open_transaction_over_a_run_delays_no_other_event(
    desk: Desk, outlet: Outlet, database: str
) -> None:
    await desk.close(60)
    person = await asyncpg.connect(database)
    async with person.transaction():
        await person.execute("delete from dyno_crm.report_run")
        await desk.close(120)
        assert [event.sequence for event in await asyncio.wait_for(outlet.publish(), 20)] == [1, 2]
    await person.close()
    assert await is_published(outlet.pool)
