"""`funnelproof connector` on real servers: what it makes and tells, whom it refuses, and what it removes."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from streams.cdc.connect_api import Connect
from streams.cdc.connector import Connector
from streams.cdc.own_topics import OwnTopics
from streams.cdc.topics import Topics
from tests.integration.partitioned import PARTITIONED
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, prepared
from tests.line import Line
from tests.programs import said
from tests.servers import Servers, new_database

pytestmark = pytest.mark.timeout(180)

SIDE_COLUMNS = (
    "alter table dyno_crm.deal_pipeline_stage_state add column amount numeric, add column score float8, "
    "add column valid daterange, add column due date, add column held interval, add column notes text"
)
AWKWARD = (
    "amount = 'NaN'",
    "amount = 'Infinity'",
    "score = 'NaN'",
    "score = '-Infinity'",
    "due = 'infinity'",
    "due = '5874897-12-31'",
    "due = '4713-01-01 BC'",
    "exited_at = 'infinity'",
    "held = '178000000 years'",
    "valid = '[2020-01-01,)'",
    "notes = (select string_agg(md5(n::text), '') from generate_series(1, 40000) as n)",
)
TRIGGER = (
    "trigger funnelproof_delete_before_truncate on dyno_crm.deal_pipeline_stage_state: "
    "a truncate first deletes every row"
)
CAPTURED = {"id", "deal_id", "tenant_id", "pipeline_id", "pipeline_stage_id", "entered_at"}


async def command(installation: Installation, *words: str) -> tuple[int, str]:
    """Run `funnelproof connector`; return its exit status and all that it said."""
    done = await asyncio.to_thread(installation.run, "connector", *words)
    return done.returncode, said(done)


async def config(installation: Installation) -> dict[str, str]:
    answer = await connect(installation).call("GET", f"/connectors/{installation.settings.instance}/config")
    return dict(answer or {})


def connect(installation: Installation) -> Connect:
    return Connect(installation.settings)


def altered(installation: Installation, **settings: str) -> Installation:
    """The same installation, with other settings."""
    return replace(
        installation,
        settings=installation.settings.model_copy(
            update={key.lower(): value for key, value in settings.items()}
        ),
        environment=installation.environment
        | {f"FUNNELPROOF_{key}": value for key, value in settings.items()},
    )


async def events_of(
    installation: Installation, rows: Collection[UUID], count: int
) -> dict[UUID, list[Mapping[str, Any]]]:
    """Read the log from its beginning until it has given `count` events of each of the rows."""
    consumer = AIOKafkaConsumer(
        installation.settings.data_topic,
        bootstrap_servers=installation.settings.kafka,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    found: dict[UUID, list[Mapping[str, Any]]] = {row: [] for row in rows}
    try:
        async with asyncio.timeout(60):
            while any(len(events) < count for events in found.values()):
                event = json.loads((await consumer.getone()).value)
                row = UUID((event["after"] or event["before"])["id"])
                if row in found:
                    found[row].append(event)
    finally:
        await consumer.stop()
    return found


SOON = {"retriable.restart.connector.wait.ms": "1000"}
"""A configuration with which the connector tries again sooner than usual."""
TWICE = SOON | {"errors.max.retries": "2"}
"""A configuration with which the connector tries again sooner than usual, and only twice."""


async def configure(installation: Installation, changed: Mapping[str, str]) -> None:
    path = f"/connectors/{installation.settings.instance}/config"
    await connect(installation).call("PUT", path, {**await config(installation), **changed})


async def state_is(installation: Installation, state: str, seconds: float = 60) -> None:
    connector = Connector(installation.settings)
    async with asyncio.timeout(seconds):
        while state not in ((status := await connector.status()).state, *status.tasks):
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
async def installation(install: Install) -> AsyncIterator[Installation]:
    """One for the tests of this module, without a worker: Connect takes seconds of CPU to begin with a connector."""
    async with install(WINDOWS="1h") as installation:
        yield installation


@pytest.fixture
async def applied(installation: Installation) -> Installation:
    """The installation with the connector that `connector apply` makes."""
    if not (await Connector(installation.settings).status()).running:
        status, told = await command(installation, "apply")
        assert status == 0, told
    return installation


@pytest.fixture
async def bare(installation: Installation) -> Installation:
    """The installation without topics, publication, trigger, slot and connector."""
    status, told = await command(installation, "delete", "--topics")
    assert status == 0, told
    return installation


@pytest.fixture
async def line(servers: Servers) -> AsyncIterator[Line]:
    line = Line(servers.postgres_dsn)
    await line.mend()
    yield line
    line.cut()


@pytest.mark.thorough
async def test_a_failed_connector_is_restarted_and_the_former_failure_is_not_believed(
    applied: Installation,
) -> None:
    crm, name = applied.connection, applied.settings.instance
    await crm.execute(f"alter publication {name} rename to away")
    await configure(applied, TWICE)
    await crm.execute(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", name
    )
    await state_is(applied, "FAILED")
    status, told = await command(applied, "status")
    assert (status, "Publication autocreation is disabled" in told) == (1, True), told
    status, told = await command(applied, "apply")
    assert status == 0, told
    assert (await command(applied, "status"))[0] == 0
    assert await crm.fetchval("select active from pg_replication_slots where slot_name = $1", name)
    await crm.execute("drop publication away")


@pytest.mark.thorough
async def test_a_connector_that_can_never_go_on_ends_as_failed_with_its_cause(applied: Installation) -> None:
    """Its session is ended whenever it has begun to read; with fewer and quicker attempts than usual."""
    crm, name = applied.connection, applied.settings.instance
    usual = await config(applied)
    assert usual["errors.max.retries"] == "30"
    await configure(applied, TWICE)
    connector = Connector(applied.settings)
    async with asyncio.timeout(90):
        while not (await connector.status()).failed:
            await crm.execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1",
                name,
            )
            await asyncio.sleep(0.1)
    status, told = await command(applied, "status", "--json")
    assert (status, json.loads(told)["tasks"]) == (1, ["FAILED"])
    trouble = json.loads(told)["trouble"]
    assert "connection failed" in trouble or "stream has been closed" in trouble, told
    assert (await command(applied, "apply"))[0] == 0
    assert await config(applied) == usual


@pytest.mark.thorough
async def test_another_installation_with_the_same_name_is_neither_taken_over_nor_deleted(
    applied: Installation, servers: Servers, template: str, tmp_path: Path
) -> None:
    before, name = await config(applied), f"e2e_{uuid4().hex[:10]}"
    async with new_database(servers.postgres_dsn, template, name) as dsn:
        connection = await asyncpg.connect(dsn)
        async with prepared(servers, dsn, name, tmp_path, connection, WINDOWS="1h") as second:
            own = applied.settings
            stranger = altered(second, INSTANCE=own.instance, TOPIC_PREFIX=own.topic_prefix)
            for words in (("apply",), ("delete",), ("delete", "--topics")):
                status, told = await command(stranger, *words)
                assert (status, "has another connector" in told or "another program's" in told) == (
                    2,
                    True,
                ), told
            assert await config(applied) == before
            assert (await command(applied, "status"))[0] == 0
            status, told = await command(altered(second, TOPIC_PREFIX=own.topic_prefix), "apply")
            assert (status, "FUNNELPROOF_TOPIC_PREFIX" in told) == (2, True), told


@pytest.mark.thorough
async def test_a_connector_that_cannot_go_on_fails_with_its_cause_and_not_with_a_former_state(
    applied: Installation,
) -> None:
    """The slot was dropped: the place in the log from which Connect would go on is gone."""
    crm, name = applied.connection, applied.settings.instance
    await connect(applied).call("PUT", f"/connectors/{name}/stop")
    await state_is(applied, "STOPPED")
    async with asyncio.timeout(30):
        while await crm.fetchval("select active from pg_replication_slots where slot_name = $1", name):
            await asyncio.sleep(0.1)
    await crm.execute("select pg_drop_replication_slot($1)", name)
    for _ in range(2):  # the second attempt is as good as the first
        status, told = await command(applied, "apply")
        assert (status, "no longer available" in told) == (2, True), told
    await applied.begin_anew()


@pytest.mark.thorough
async def test_offsets_are_forgotten_even_if_the_connector_was_deleted_before_and_a_slot_never_read_is_not_taken(
    applied: Installation,
) -> None:
    """Otherwise the next connector goes on from the old offsets, and the new log lacks all older rows."""
    crm, name, funnel = applied.connection, applied.settings.instance, Funnel()
    await funnel.create(crm)
    row = await funnel.enter(crm, uuid4(), "a", await applied.now())
    await events_of(applied, [row], 1)
    assert (await command(applied, "delete"))[0] == 0
    status, told = await command(applied, "apply")
    assert status == 0, told  # the slot is there, and Connect remembers it
    assert (await command(applied, "delete"))[0] == 0
    status, told = await command(applied, "delete", "--topics", "--json")
    assert (status, json.loads(told)["deleted"]) == (0, False), told
    assert await crm.fetchval("select count(*) from pg_publication") == 0
    await crm.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", name)
    status, told = await command(applied, "apply")
    assert (status, "has never read it" in told) == (2, True), told
    assert await config(applied) == {}
    assert await crm.fetchval("select count(*) from pg_publication") == 0
    assert (await command(applied, "delete", "--topics"))[0] == 0
    assert (await command(applied, "apply"))[0] == 0
    (event,) = (await events_of(applied, [row], 1))[row]
    assert event["op"] == "r"


@pytest.mark.thorough
async def test_a_role_that_could_not_follow_the_table_is_refused_with_what_it_lacks(
    applied: Installation,
) -> None:
    crm, name = applied.connection, applied.settings.instance
    role = f"{name}_cdc"
    await crm.execute(f"create role {role} login password 'secret'")
    try:
        parts = urlsplit(applied.settings.source_dsn)
        netloc = f"{role}:secret@{parts.netloc.rpartition('@')[2]}"
        poor = altered(applied, CDC_DSN=parts._replace(netloc=netloc).geturl())
        status, told = await command(poor, "apply")
        assert (status, "may not follow" in told) == (2, True), told
        assert (await command(applied, "status"))[0] == 0, "the connector was left alone"
        await crm.execute(told.strip().partition("deal_pipeline_stage_state: ")[2])
        status, told = await command(poor, "apply")
        assert status == 0, told
        assert (await config(applied))["database.user"] == role
        assert (await command(poor, "delete"))[0] == 0
    finally:
        await crm.execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.thorough
@pytest.mark.timeout(400)
async def test_a_connector_that_only_tries_again_is_not_called_running_and_heals_by_itself(
    installation: Installation, line: Line, servers: Servers
) -> None:
    line.dsn = servers.postgres_dsn
    path = urlsplit(installation.settings.source_dsn).path
    watched = altered(installation, CDC_DSN=urlsplit(line.address)._replace(path=path).geturl())
    assert (await command(installation, "delete"))[0] == 0
    assert (await command(watched, "apply"))[0] == 0
    await configure(watched, SOON)
    async with asyncio.timeout(60):
        while (await command(watched, "status"))[0] != 0:
            await asyncio.sleep(0.5)
    line.cut()
    connector = Connector(watched.settings)
    async with asyncio.timeout(120):
        while (await command(watched, "status"))[0] == 0:
            await asyncio.sleep(1)
    for _ in range(3):
        status, told = await command(watched, "status", "--json")
        found = json.loads(told)
        assert (status, found["running"], found["reads"]) == (1, False, False)
        assert (await connector.status()).state == "RUNNING", "Connect believes it"
        await asyncio.sleep(1)
    await line.mend()
    async with asyncio.timeout(120):
        while (await command(watched, "status"))[0] != 0:
            await asyncio.sleep(1)
    assert (await command(watched, "delete"))[0] == 0


@pytest.mark.thorough
async def test_a_publication_of_all_tables_is_refused_and_not_dropped_for_its_owner(
    bare: Installation,
) -> None:
    crm, name = bare.connection, bare.settings.instance
    await crm.execute(f"create publication {name} for all tables")
    status, told = await command(bare, "apply")
    assert (status, "does not publish" in told) == (2, True), told
    status, told = await command(bare, "delete", "--topics", "--json")
    assert (status, json.loads(told)["left"]) == (
        0,
        [f"publication {name}: another program or installation rests on it"],
    )
    assert await crm.fetchval("select count(*) from pg_publication where pubname = $1", name) == 1
    await crm.execute(f"drop publication {name}")


@pytest.mark.thorough
async def test_a_data_topic_that_may_have_deleted_records_is_refused(bare: Installation) -> None:
    topics, topic = Topics(bare.settings.brokers), bare.settings.data_topic
    await topics.ensure(topic, 4, {"cleanup.policy": "compact,delete"})
    status, told = await command(bare, "apply")
    assert (status, "cleanup.policy=compact,delete" in told) == (2, True), told
    assert await config(bare) == {}
    assert await bare.connection.fetchval("select count(*) from pg_publication") == 0
    await bare.begin_anew()
    assert (await topics.require(topic)).settings["cleanup.policy"] == "compact"


async def test_only_the_counted_columns_are_captured_and_no_value_of_another_column_stops_the_log(
    applied: Installation,
) -> None:
    crm, funnel = applied.connection, Funnel()
    await funnel.create(crm)
    await crm.execute(SIDE_COLUMNS)
    row = await funnel.enter(crm, uuid4(), "a", await applied.now())
    for assignment in AWKWARD:
        await crm.execute(
            f"update dyno_crm.deal_pipeline_stage_state set {assignment} where id = $1",  # noqa: S608 - constants
            row,
        )
    moved = "update dyno_crm.deal_pipeline_stage_state set pipeline_stage_id = $2 where id = $1"
    await crm.execute(moved, row, funnel.ids["b"])
    await crm.execute("delete from dyno_crm.deal_pipeline_stage_state where id = $1", row)
    events = (await events_of(applied, [row], len(AWKWARD) + 3))[row]
    assert [event["op"] for event in events] == ["c", *("u" * (len(AWKWARD) + 1)), "d"]
    images = [event[side] for event in events for side in ("before", "after") if event[side]]
    assert {frozenset(image) for image in images} == {frozenset(CAPTURED)}
    assert events[-2]["before"]["pipeline_stage_id"] == str(funnel.ids["a"])
    assert events[-1]["before"]["pipeline_stage_id"] == str(funnel.ids["b"])
    assert (await command(applied, "status"))[0] == 0


async def test_apply_tells_every_object_that_it_makes_and_the_second_time_nothing(bare: Installation) -> None:
    name = bare.settings.instance
    status, told = await command(bare, "apply", "--json")
    assert status == 0, told
    topics = OwnTopics(bare.settings)
    made = json.loads(told)["made"]
    assert [each for each in made if not each.startswith("topic")] == [
        f"publication {name} of dyno_crm.deal_pipeline_stage_state",
        TRIGGER,
        f"connector {name} in Kafka Connect",
        f"replication slot {name}, by Debezium",
    ]
    assert {f"topic {each}" for each in topics.of_the_log[:3]} == {
        each for each in made if each.startswith("topic")
    }
    reader = "select active_pid from pg_replication_slots where slot_name = $1"
    began = await bare.connection.fetchval(reader, name)
    status, told = await command(bare, "apply", "--json")
    assert (status, json.loads(told)["made"]) == (0, [])
    assert await bare.connection.fetchval(reader, name) == began


async def test_a_role_without_rights_changes_nothing_and_is_told_what_the_owner_runs(
    bare: Installation,
) -> None:
    crm, name = bare.connection, bare.settings.instance
    await crm.execute(f"create role {name} login password 'secret'")
    try:
        await crm.execute(f"grant usage on schema dyno_crm to {name}")
        await crm.execute(f"grant select on all tables in schema dyno_crm to {name}")
        parts = urlsplit(bare.settings.source_dsn)
        poor = altered(
            bare,
            SOURCE_DSN=parts._replace(netloc=f"{name}:secret@{parts.netloc.rpartition('@')[2]}").geturl(),
            CDC_DSN=bare.settings.source_dsn,
        )
        status, told = await command(poor, "apply")
        assert (status, "nothing was changed" in told) == (2, True), told
        assert await config(bare) == {}
        assert await Topics(bare.settings.brokers).identity(bare.settings.data_topic) is None
        await crm.execute(told.partition("\n\n")[2])
        status, told = await command(poor, "apply", "--json")
        assert (status, any("publication" in each for each in json.loads(told)["made"])) == (0, False), told
        # The slot goes by the right of CDC_DSN, and so does everything else.
        status, told = await command(
            altered(poor, CDC_DSN=poor.settings.source_dsn), "delete", "--topics", "--force"
        )
        assert (status, "nothing was removed" in told) == (2, True), told
        assert await config(bare) != {}
        assert (await command(poor, "delete", "--topics"))[0] == 0
        assert await crm.fetchval("select count(*) from pg_replication_slots where slot_name = $1", name) == 0
    finally:
        await crm.execute(f"drop owned by {name}; drop role {name}")


async def test_rows_of_a_partitioned_table_reach_the_log_under_the_table_s_own_name(
    bare: Installation,
) -> None:
    crm, funnel = bare.connection, Funnel()
    await funnel.create(crm)
    await crm.execute(PARTITIONED)
    moment = await bare.now()
    rows = [await funnel.enter(crm, uuid4(), "a", moment) for _ in range(8)]
    status, told = await command(bare, "apply")
    assert status == 0, told
    rows += [await funnel.enter(crm, uuid4(), "a", moment) for _ in range(8)]
    for row in rows:
        await crm.execute(
            "update dyno_crm.deal_pipeline_stage_state set exited_at = now() where id = $1", row
        )
    await crm.execute("truncate dyno_crm.deal_pipeline_stage_state")
    found = await events_of(bare, rows, 3)
    for number, row in enumerate(rows):
        assert [event["op"] for event in found[row]] == ["r" if number < 8 else "c", "u", "d"]
        assert {event["source"]["table"] for event in found[row]} == {"deal_pipeline_stage_state"}
