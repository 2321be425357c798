"""A session of alerts under faults: turns with each fault, stalls, and the time from a proof to the record in Kafka."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
from confluent_kafka import Consumer, TopicPartition

from tests.chaos.alert_turns import FAULTS, stall, turn
from tests.chaos.alerting import Alarm, alarm_on
from tests.servers import EmbeddedServers

NAME = "alerts"
TURNS = 20
MEASURED = 4
"""Turns without a fault, each with four alerts that fire and four that resolve."""
STALLS = (("worker", 25.0), ("connector", 25.0), ("worker", 75.0))
"""What stands still, and for how long; more than 60 s are told as held."""
FINISHED = "select event_id::text, at from funnelproof.alert_event where kind = 'drop' and event_number > $1"
LAST = "select coalesce(max(event_number), 0) from funnelproof.alert_event"
PROOF = "select source_time, proven_at from funnelproof.prover"


async def session(
    servers: EmbeddedServers, folder: Path, seed: int, turns: int, say: Callable[[str], object]
) -> None:
    """Let everything happen; every line that is said was checked."""
    chance = random.Random(seed)
    kills = [name for name in FAULTS if name.startswith("kill")]
    async with alarm_on(servers, folder, f"{seed}/alerts") as alarm:
        if turns >= TURNS:
            for what, seconds in STALLS:
                say(await stall(alarm, what, seconds))
        planned = [kills[number % len(kills)] for number in range(turns)]
        chance.shuffle(planned)
        for number, fault in enumerate(planned, start=1):
            say(f"{number:2} {await turn(alarm, fault)}")
        if turns >= TURNS:
            say(await measured(alarm, MEASURED))


async def measured(alarm: Alarm, turns: int) -> str:
    """Measure the time from the first proof of a bucket's end to the record that a consumer of the topic has."""
    last = await alarm.asked(LAST)
    async with _records(alarm) as received, _proofs(alarm) as proofs:
        for _ in range(turns):
            await turn(alarm, "no fault")
        connection = await asyncpg.connect(alarm.installation.settings.source_dsn)
        rows = await connection.fetch(FINISHED, last)
        await connection.close()
        delays = sorted(
            (received[event] - min(proven for until, proven in proofs if until >= at)).total_seconds()
            for event, at in rows
        )
    worst = delays[min(len(delays) - 1, len(delays) * 99 // 100)]
    return (
        f"{len(delays)} transitions from proof to Kafka: median {delays[len(delays) // 2]:.2f} s, p99 {worst:.2f} s, "
        f"at most {delays[-1]:.2f} s"
    )


@asynccontextmanager
async def _proofs(alarm: Alarm) -> AsyncIterator[list[tuple[datetime, datetime]]]:
    """Have the times up to which everything was proven, and when each was."""
    seen: list[tuple[datetime, datetime]] = []
    connection = await asyncpg.connect(alarm.installation.settings.source_dsn)

    async def watch() -> None:
        while True:
            row = await connection.fetchrow(PROOF)
            if row is not None and (not seen or seen[-1] != tuple(row)):
                seen.append((row[0], row[1]))
            await asyncio.sleep(0.03)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await connection.close()


@asynccontextmanager
async def _records(alarm: Alarm) -> AsyncIterator[dict[str, datetime]]:
    """Have the time at which a consumer received each record."""
    settings, received, over = alarm.installation.settings, dict[str, datetime](), asyncio.Event()

    def consume() -> None:
        consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": str(uuid4())})
        consumer.assign([TopicPartition(settings.alerts_topic, 0, 0)])
        while not over.is_set():
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                event = msgspec.json.decode(message.value())["id"]
                received.setdefault(event, datetime.now(UTC))
            elif message is not None:
                time.sleep(0.1)  # the topic is made with the first alert
        consumer.close()

    task = asyncio.create_task(asyncio.to_thread(consume))
    try:
        yield received
    finally:
        over.set()
        await task
