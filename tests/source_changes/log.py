"""What is done to the log: slot, connector, topics."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from streams.cdc.own_topics import DATA_TOPIC_SETTINGS, MESSAGE_TOPIC_SETTINGS
from tests.source_changes.action import LOST_DELETE, Action, Cost, next_proof
from tests.source_changes.world import World

DROP_SLOT = "select pg_drop_replication_slot('{slot}')"
MAKE_SLOT = "select pg_create_logical_replication_slot('{slot}', 'pgoutput')"
ADVANCE = "select pg_replication_slot_advance('{slot}', pg_current_wal_lsn())"


def while_stopped(*statements: str) -> Callable[[World], Awaitable[None]]:
    """Return an act: the connector stops, the CRM writes, statements run, the connector goes on."""

    async def act(world: World) -> None:
        async with world.connector_stopped():
            await world.write()
            for statement in statements:
                await world.execute(statement)
        await world.connector_runs()

    return act


async def end_walsender(world: World) -> None:
    await world.execute(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = '{slot}'"
    )


async def pause_and_resume(world: World) -> None:
    await world.ask_connect("PUT", "/pause")
    await world.write()
    await world.ask_connect("PUT", "/resume")


async def restart(world: World) -> None:
    await world.ask_connect("POST", "/restart?includeTasks=true")
    await world.write()
    await world.connector_runs()


async def delete_and_apply(world: World) -> None:
    await world.run("connector", "delete", admin=True)
    await world.write()
    await world.run("connector", "apply", admin=True)


async def delete_by_hand(world: World) -> None:
    await world.ask_connect("DELETE")
    await world.write()


async def apply_again(world: World) -> None:
    await world.run("connector", "apply", admin=True)


async def reset_offsets(world: World) -> None:
    """The connector begins with a snapshot in the middle of its log; rows were deleted meanwhile."""
    async with world.connector_stopped():
        await world.execute(LOST_DELETE)
        await world.ask_connect("DELETE", "/offsets")
        await world.execute(DROP_SLOT)
    await world.connector_runs()


def configured(**changed: str) -> Callable[[World], Awaitable[None]]:
    """Return an act: somebody edits the connector's configuration (dots written as two underscores)."""

    async def act(world: World) -> None:
        answer = await world.ask_connect("GET", "/config")
        if answer.is_success:
            edited = answer.json() | {key.replace("__", "."): value for key, value in changed.items()}
            await world.ask_connect("PUT", "/config", edited)
            await asyncio.sleep(1)  # the task still runs with the former configuration
            await world.connector_runs()
        await world.write()

    return act


async def _set(world: World, topic: str, **settings: str) -> None:
    entries = [
        ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for key, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    await asyncio.wrap_future(world.kafka.incremental_alter_configs([resource])[resource])


async def _delete_records(world: World, topic: str, partitions: int) -> None:
    """Delete what the topic holds now, as retention would in time."""
    ends = await world.topics.ends(topic, range(partitions), committed=True)
    places = [TopicPartition(topic, place, end) for place, end in ends.items()]
    for future in world.kafka.delete_records(places).values():
        await asyncio.wrap_future(future)


async def retention(world: World) -> None:
    """A platform's policy, and what it does in time; the worker goes on."""
    await _set(world, world.settings.data_topic, cleanup_policy="compact,delete", retention_ms="1000")
    await _delete_records(world, world.settings.data_topic, world.settings.partitions)


async def retention_and_move(world: World) -> None:
    """The same, and the worker moves to another machine, where no checkpoint is."""
    await retention(world)
    await world.stop_workers()
    world.forget_checkpoints()
    await world.write()
    world.start_worker()


async def records_deleted_and_move(world: World) -> None:
    await _delete_records(world, world.settings.data_topic, world.settings.partitions)
    await world.kill_and_start(keep_checkpoints=False)


async def topic_made_anew(world: World) -> None:
    topic = world.settings.data_topic
    await world.topics.delete([topic])
    with suppress(KafkaException):  # Connect may have made it
        await world.topics.ensure(topic, world.settings.partitions, DATA_TOPIC_SETTINGS)
    await world.write()


async def topic_made_anew_while_stopped(world: World) -> None:
    """Nobody reads or writes the topic meanwhile."""
    topic = world.settings.data_topic
    await world.stop_workers()
    async with world.connector_stopped():
        await world.topics.delete([topic])
        await world.topics.ensure(topic, world.settings.partitions, DATA_TOPIC_SETTINGS)
        await world.write()
    await world.connector_runs()
    world.start_worker()


async def partitions_added(world: World) -> None:
    topic = world.settings.data_topic
    more = NewPartitions(topic, world.settings.partitions + 1)
    await asyncio.wrap_future(world.kafka.create_partitions([more])[topic])
    await world.write()


async def compaction_lag_lowered(world: World) -> None:
    await _set(world, world.settings.data_topic, min_compaction_lag_ms="1000")
    await world.write()


async def markers_deleted(world: World) -> None:
    await _delete_records(world, world.settings.message_topic, 1)


async def marker_topic_made_anew(world: World) -> None:
    topic = world.settings.message_topic
    await world.topics.delete([topic])
    with suppress(KafkaException):
        await world.topics.ensure(topic, 1, MESSAGE_TOPIC_SETTINGS)
    await world.write()


async def junk_written(world: World) -> None:
    """A stranger's record lies in the log."""
    producer = Producer({"bootstrap.servers": world.settings.kafka, "log_level": 0})
    producer.produce(world.settings.data_topic, key=b"x", value=b"no change", partition=0)
    await asyncio.to_thread(producer.flush, 10)


async def slot_copied(world: World) -> None:
    await world.execute("select pg_copy_logical_replication_slot('{slot}', '{slot}_copy', true)")
    await next_proof(world)


SLOT = (
    Action("the slot is dropped", Cost.NEW_LOG, while_stopped(DROP_SLOT)),
    Action("the slot is dropped and made again", Cost.NEW_LOG, while_stopped(DROP_SLOT, MAKE_SLOT)),
    Action("the slot is advanced over writes", Cost.NEW_LOG, while_stopped(ADVANCE)),
    Action("the slot is advanced, then rows are written", Cost.NEW_LOG, while_stopped(ADVANCE, LOST_DELETE)),
    Action("the slot is copied", Cost.NOTHING, slot_copied),
    Action("the slot's reader is ended", Cost.NOTHING, end_walsender),
)
CONNECTOR = (
    Action("the connector is stopped and resumed", Cost.NOTHING, while_stopped()),
    Action("the connector is paused and resumed", Cost.NOTHING, pause_and_resume),
    Action("the connector and its task are restarted", Cost.NOTHING, restart),
    Action("the connector is deleted and applied", Cost.NOTHING, delete_and_apply),
    Action("the connector is deleted by hand", Cost.NEW_LOG, delete_by_hand),
    Action("the connector is applied again", Cost.NOTHING, apply_again),
    Action("the connector's offsets are reset", Cost.NEW_LOG, reset_offsets),
    Action("the connector is told to skip deletes", Cost.NEW_LOG, configured(skipped__operations="t,d")),
    Action(
        "the connector is told to leave the instants out",
        Cost.NEW_LOG,
        configured(column__exclude__list="dyno_crm.deal_pipeline_stage_state.entered_at"),
    ),
    Action(
        "the connector is told to use one partition",
        Cost.NEW_LOG,
        configured(transforms__route__partition__topic__num="1"),
    ),
    Action(
        "the connector is told to follow another table",
        Cost.NEW_LOG,
        configured(table__include__list="dyno_crm.pipeline_stage"),
    ),
)
TOPICS = (
    Action("retention deletes the log", Cost.NEW_LOG, retention),
    Action("retention deletes the log, and the worker moves", Cost.NEW_LOG, retention_and_move),
    Action(
        "records are deleted, and the worker loses its checkpoints", Cost.NEW_LOG, records_deleted_and_move
    ),
    Action("the topic is made anew", Cost.NEW_LOG, topic_made_anew),
    Action("the topic is made anew while nobody uses it", Cost.NEW_LOG, topic_made_anew_while_stopped),
    Action("the topic gets another partition", Cost.NEW_LOG, partitions_added),
    Action("the topic may be compacted early", Cost.NEW_LOG, compaction_lag_lowered),
    Action("the log has a record of a stranger", Cost.NEW_LOG, junk_written),
    Action("the markers' records are deleted", Cost.COMPARISON, markers_deleted),
    Action("the markers' topic is made anew", Cost.NEW_LOG, marker_topic_made_anew),
)
CHANGES: tuple[Action, ...] = SLOT + CONNECTOR + TOPICS
