"""`funnelproof connector` on real servers: what it makes and tells, whom it refuses, and what it removes."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer

from streams.cdc.connect_api import Connect
from streams.cdc.connector import Connector
from streams.cdc.own_topics import OwnTopics
from streams.cdc.topics import Topics
from tests.integration.partitioned import PARTITIONED
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, installed
from tests.line import Line
from tests.programs import said
from tests.servers import Servers

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


async def events_of(installation: Installation, row: UUID, count: int) -> list[Mapping[str, Any]]:
    """Read the log from its beginning until it has given `count` events of a row."""
    consumer = AIOKafkaConsumer(
        installation.settings.data_topic,
        bootstrap_servers=installation.settings.kafka,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    found: list[Mapping[str, Any]] = []
    try:
        async with asyncio.timeout(60):
            async for record in consumer:
                event = json.loads(record.value)
                if str(row) == (event["after"] or event["before"])["id"]:
                    found.append(event)
                if len(found) == count:
                    break
    finally:
        await consumer.stop()
    return found


async def be_impatient(installation: Installation) -> None:
    """Let the connector try again sooner than usual, and only twice."""
    impatient = {"errors.max.retries": "2", "retriable.restart.connector.wait.ms": "1000"}
    path = f"/connectors/{installation.settings.instance}/config"
    await connect(installation).call("PUT", path, await config(installation) | impatient)


async def state_is(installation: Installation, state: str, seconds: float = 60) -> None:
    connector = Connector(installation.settings)
    async with asyncio.timeout(seconds):
        while state not in ((status := await connector.status()).state, *status.tasks):
            await asyncio.sleep(0.2)


@pytest.fixture
async def line(servers: Servers) -> AsyncIterator[Line]:
    line = Line(servers.postgres_dsn)
    await line.mend()
    yield line
    line.cut()


async def test_only_the_counted_columns_are_captured_and_no_value_of_another_column_stops_the_log(
    install: Install,
) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, funnel = installation.connection, Funnel()
        await funnel.create(crm)
        await crm.execute(SIDE_COLUMNS)
        row = await funnel.enter(crm, uuid4(), "a", await installation.now())
        for assignment in AWKWARD:
            await crm.execute(
                f"update dyno_crm.deal_pipeline_stage_state set {assignment} where id = $1",  # noqa: S608 - constants
                row,
            )
        moved = "update dyno_crm.deal_pipeline_stage_state set pipeline_stage_id = $2 where id = $1"
        await crm.execute(moved, row, funnel.ids["b"])
        await crm.execute("delete from dyno_crm.deal_pipeline_stage_state where id = $1", row)
        events = await events_of(installation, row, len(AWKWARD) + 3)
        assert [event["op"] for event in events] == ["c", *("u" * (len(AWKWARD) + 1)), "d"]
        images = [event[side] for event in events for side in ("before", "after") if event[side]]
        assert {frozenset(image) for image in images} == {frozenset(CAPTURED)}
        assert events[-2]["before"]["pipeline_stage_id"] == str(funnel.ids["a"])
        assert events[-1]["before"]["pipeline_stage_id"] == str(funnel.ids["b"])
        assert (await command(installation, "status"))[0] == 0


async def test_rows_of_a_partitioned_table_reach_the_log_under_the_table_s_own_name(install: Install) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, funnel = installation.connection, Funnel()
        await funnel.create(crm)
        assert (await command(installation, "delete", "--topics"))[0] == 0
        await crm.execute(PARTITIONED)
        moment = await installation.now()
        rows = [await funnel.enter(crm, uuid4(), "a", moment) for _ in range(8)]
        status, told = await command(installation, "apply")
        assert status == 0, told
        rows += [await funnel.enter(crm, uuid4(), "a", moment) for _ in range(8)]
        for row in rows:
            await crm.execute(
                "update dyno_crm.deal_pipeline_stage_state set exited_at = now() where id = $1", row
            )
        await crm.execute("truncate dyno_crm.deal_pipeline_stage_state")
        for number, row in enumerate(rows):
            events = await events_of(installation, row, 3)
            assert [event["op"] for event in events] == ["r" if number < 8 else "c", "u", "d"]
            assert {event["source"]["table"] for event in events} == {"deal_pipeline_stage_state"}


async def test_apply_tells_every_object_that_it_makes_and_the_second_time_nothing(install: Install) -> None:
    async with install(WINDOWS="1h") as installation:
        name = installation.settings.instance
        assert (await command(installation, "delete", "--topics"))[0] == 0
        status, told = await command(installation, "apply", "--json")
        assert status == 0, told
        topics = OwnTopics(installation.settings)
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
        began = await installation.connection.fetchval("select backend_start from pg_stat_replication")
        status, told = await command(installation, "apply", "--json")
        assert (status, json.loads(told)["made"]) == (0, [])
        assert (
            await installation.connection.fetchval("select backend_start from pg_stat_replication") == began
        )


async def test_a_role_without_rights_changes_nothing_and_is_told_what_the_owner_runs(
    install: Install,
) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        assert (await command(installation, "delete", "--topics"))[0] == 0
        await crm.execute(f"create role {name} login password 'secret'")
        try:
            await crm.execute(f"grant usage on schema dyno_crm to {name}")
            await crm.execute(f"grant select on all tables in schema dyno_crm to {name}")
            parts = urlsplit(installation.settings.source_dsn)
            poor = altered(
                installation,
                SOURCE_DSN=parts._replace(netloc=f"{name}:secret@{parts.netloc.rpartition('@')[2]}").geturl(),
                CDC_DSN=installation.settings.source_dsn,
            )
            status, told = await command(poor, "apply")
            assert (status, "nothing was changed" in told) == (2, True), told
            assert await config(installation) == {}
            assert (
                await Topics(installation.settings.brokers).identity(installation.settings.data_topic) is None
            )
            await crm.execute(told.partition("\n\n")[2])
            status, told = await command(poor, "apply", "--json")
            assert (status, any("publication" in each for each in json.loads(told)["made"])) == (0, False), (
                told
            )
            # The slot goes by the right of CDC_DSN, and so does everything else.
            status, told = await command(
                altered(poor, CDC_DSN=poor.settings.source_dsn), "delete", "--topics", "--force"
            )
            assert (status, "nothing was removed" in told) == (2, True), told
            assert await config(installation) != {}
            assert (await command(poor, "delete", "--topics"))[0] == 0
            assert (
                await crm.fetchval("select count(*) from pg_replication_slots where slot_name = $1", name)
                == 0
            )
        finally:
            await crm.execute(f"drop owned by {name}; drop role {name}")


@pytest.mark.thorough
async def test_a_failed_connector_is_restarted_and_the_former_failure_is_not_believed(
    install: Install,
) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        await crm.execute(f"alter publication {name} rename to away")
        await be_impatient(installation)
        await crm.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1", name
        )
        await state_is(installation, "FAILED")
        status, told = await command(installation, "status")
        assert (status, "Publication autocreation is disabled" in told) == (1, True), told
        status, told = await command(installation, "apply")
        assert status == 0, told
        assert (await command(installation, "status"))[0] == 0
        assert await crm.fetchval("select active from pg_replication_slots where slot_name = $1", name)


@pytest.mark.thorough
async def test_a_connector_that_cannot_go_on_fails_with_its_cause_and_not_with_a_former_state(
    install: Install,
) -> None:
    """The slot was dropped: the place in the log from which Connect would go on is gone."""
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        await connect(installation).call("PUT", f"/connectors/{name}/stop")
        await state_is(installation, "STOPPED")
        async with asyncio.timeout(30):
            while await crm.fetchval("select active from pg_replication_slots where slot_name = $1", name):
                await asyncio.sleep(0.1)
        await crm.execute("select pg_drop_replication_slot($1)", name)
        for _ in range(2):  # the second attempt is as good as the first
            status, told = await command(installation, "apply")
            assert (status, "no longer available" in told) == (2, True), told
        await installation.begin_anew()


@pytest.mark.thorough
async def test_a_role_that_could_not_follow_the_table_is_refused_with_what_it_lacks(install: Install) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        role = f"{name}_cdc"
        await crm.execute(f"create role {role} login password 'secret'")
        try:
            parts = urlsplit(installation.settings.source_dsn)
            netloc = f"{role}:secret@{parts.netloc.rpartition('@')[2]}"
            poor = altered(installation, CDC_DSN=parts._replace(netloc=netloc).geturl())
            status, told = await command(poor, "apply")
            assert (status, "may not follow" in told) == (2, True), told
            assert (await command(installation, "status"))[0] == 0, "the connector was left alone"
            await crm.execute(told.strip().partition("deal_pipeline_stage_state: ")[2])
            status, told = await command(poor, "apply")
            assert status == 0, told
            assert (await config(installation))["database.user"] == role
            assert (await command(poor, "delete"))[0] == 0
        finally:
            await crm.execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.thorough
async def test_another_installation_with_the_same_name_is_neither_taken_over_nor_deleted(
    install: Install, servers: Servers, template: str, tmp_path: Path
) -> None:
    async with install(WINDOWS="1h") as first, installed(servers, template, tmp_path, WINDOWS="1h") as second:
        before = await config(first)
        stranger = altered(second, INSTANCE=first.settings.instance, TOPIC_PREFIX=first.settings.topic_prefix)
        for words in (("apply",), ("delete",), ("delete", "--topics")):
            status, told = await command(stranger, *words)
            assert (status, "has another connector" in told or "another program's" in told) == (2, True), told
        assert await config(first) == before
        assert (await command(first, "status"))[0] == 0
        status, told = await command(second, "delete", "--topics")
        assert status == 0, told
        status, told = await command(altered(second, TOPIC_PREFIX=first.settings.topic_prefix), "apply")
        assert (status, "FUNNELPROOF_TOPIC_PREFIX" in told) == (2, True), told


@pytest.mark.thorough
async def test_a_slot_that_this_connect_has_never_read_is_not_taken(install: Install) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        assert (await command(installation, "delete"))[0] == 0
        status, told = await command(installation, "apply")
        assert status == 0, told  # the slot is there, and Connect remembers it
        assert (await command(installation, "delete", "--topics"))[0] == 0
        await crm.execute("select pg_create_logical_replication_slot($1, 'pgoutput')", name)
        status, told = await command(installation, "apply")
        assert (status, "has never read it" in told) == (2, True), told
        assert await config(installation) == {}
        assert await crm.fetchval("select count(*) from pg_publication where pubname = $1", name) == 0
        assert (await command(installation, "delete", "--topics"))[0] == 0
        assert (await command(installation, "apply"))[0] == 0


@pytest.mark.thorough
async def test_a_data_topic_that_may_have_deleted_records_is_refused(install: Install) -> None:
    async with install(WINDOWS="1h") as installation:
        assert (await command(installation, "delete", "--topics"))[0] == 0
        topics, topic = Topics(installation.settings.brokers), installation.settings.data_topic
        await topics.ensure(topic, 4, {"cleanup.policy": "compact,delete"})
        status, told = await command(installation, "apply")
        assert (status, "cleanup.policy=compact,delete" in told) == (2, True), told
        assert await config(installation) == {}
        assert await installation.connection.fetchval("select count(*) from pg_publication") == 0
        await installation.begin_anew()
        assert (await topics.require(topic)).settings["cleanup.policy"] == "compact"


@pytest.mark.thorough
async def test_offsets_are_forgotten_even_if_the_connector_was_deleted_before(install: Install) -> None:
    """Otherwise the next connector goes on from the old offsets, and the new log lacks all older rows."""
    async with install(WINDOWS="1h") as installation:
        crm, funnel = installation.connection, Funnel()
        await funnel.create(crm)
        row = await funnel.enter(crm, uuid4(), "a", await installation.now())
        await events_of(installation, row, 1)
        assert (await command(installation, "delete"))[0] == 0
        status, told = await command(installation, "delete", "--topics", "--json")
        assert (status, json.loads(told)["deleted"]) == (0, False), told
        assert await crm.fetchval("select count(*) from pg_publication") == 0
        assert (await command(installation, "apply"))[0] == 0
        (event,) = await events_of(installation, row, 1)
        assert event["op"] == "r"


@pytest.mark.thorough
async def test_a_publication_of_all_tables_is_refused_and_not_dropped_for_its_owner(install: Install) -> None:
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        assert (await command(installation, "delete", "--topics"))[0] == 0
        await crm.execute(f"create publication {name} for all tables")
        status, told = await command(installation, "apply")
        assert (status, "does not publish" in told) == (2, True), told
        status, told = await command(installation, "delete", "--topics", "--json")
        assert (status, json.loads(told)["left"]) == (
            0,
            [f"publication {name}: another program or installation rests on it"],
        )
        assert await crm.fetchval("select count(*) from pg_publication where pubname = $1", name) == 1


@pytest.mark.thorough
@pytest.mark.timeout(400)
async def test_a_connector_that_only_tries_again_is_not_called_running_and_heals_by_itself(
    install: Install, line: Line, servers: Servers
) -> None:
    async with install(WINDOWS="1h") as installation:
        line.dsn = servers.postgres_dsn
        path = urlsplit(installation.settings.source_dsn).path
        watched = altered(installation, CDC_DSN=urlsplit(line.address)._replace(path=path).geturl())
        assert (await command(installation, "delete"))[0] == 0
        assert (await command(watched, "apply"))[0] == 0
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
async def test_a_connector_that_can_never_go_on_ends_as_failed_with_its_cause(install: Install) -> None:
    """Its session is ended whenever it has begun to read; with fewer and quicker attempts than usual."""
    async with install(WINDOWS="1h") as installation:
        crm, name = installation.connection, installation.settings.instance
        usual = await config(installation)
        assert usual["errors.max.retries"] == "30"
        await be_impatient(installation)
        connector = Connector(installation.settings)
        async with asyncio.timeout(90):
            while not (await connector.status()).failed:
                await crm.execute(
                    "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1",
                    name,
                )
                await asyncio.sleep(0.1)
        status, told = await command(installation, "status", "--json")
        assert (status, json.loads(told)["tasks"]) == (1, ["FAILED"])
        assert "connection failed" in json.loads(told)["trouble"], told
        assert (await command(installation, "apply"))[0] == 0
        assert await config(installation) == usual
