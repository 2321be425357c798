"""From a proof to the topic: how long an alert takes with many pipelines, by the real process and a real Kafka.

Shortly before the end of each bucket of a day, proofs come every half second while some pipelines' counts change. With
the proof of the bucket's end, conversions have ended in a hundredth of the pipelines. At the end the day closes, and
conversions have ended in another hundredth. An alert's time is from the commit of the proof, or of the closed results,
until a consumer that reads committed messages has the alert.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import numpy as np
from confluent_kafka import Consumer, TopicPartition
from rich.console import Console

from bench.alerts.filling import GROUPS, Filling
from bench.alerts.scale import RULES
from streams.local.stack import LocalStack
from streams.store.migrations import migrate

_BUCKET = timedelta(hours=2)
_FIRST, _LAST = 3, 10
"""The buckets at whose ends pipelines fall; the window closes after the last."""
_AHEAD = 12.0
"""Seconds before the end of a bucket in which proofs are made."""
_TICK = 0.5
_LIMIT = 300.0
TOLD = "select count(*) from funnelproof.alert_event where rule = 'drops' and at = $1"
LOOKED = "select coalesce(proven_until >= $1, false) and held is null from funnelproof.alert_term"


@dataclass
class Listener:
    """Notes when each alert of the rule was read, by the instant that the alert is about."""

    kafka: str
    topic: str
    times: dict[datetime, list[float]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Read until `stop`."""
        consumer = Consumer(
            {"bootstrap.servers": self.kafka, "group.id": "bench", "isolation.level": "read_committed"}
        )
        consumer.assign([TopicPartition(self.topic, 0, 0)])
        while not self._over.is_set():
            message = consumer.poll(0.05)
            if message is not None and message.error() is None:
                told = json.loads(message.value() or b"{}").get("data", {})
                if told.get("rule") == "drops":
                    self.times.setdefault(datetime.fromisoformat(told["at"]), []).append(time.monotonic())
        consumer.close()

    def stop(self) -> None:
        """End `listen`."""
        self._over.set()


@asynccontextmanager
async def _alerting(stack: LocalStack, folder: Path, dsn: str) -> AsyncIterator[Listener]:
    rules = folder / "rules.toml"
    rules.write_text(RULES, "utf-8")
    settings = {"SOURCE_DSN": dsn, "KAFKA": stack.kafka.address, "WINDOWS": "day", "ALERT_RULES": str(rules)}
    environment = os.environ | {f"FUNNELPROOF_{name}": value for name, value in settings.items()}
    with (folder / "alerts.log").open("w") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - starting takes no time
            [sys.executable, "-m", "streams", "alerts", "run"], env=environment, stdout=log, stderr=log
        )
    listener = Listener(stack.kafka.address, "funnelproof.alerts")
    listening = asyncio.create_task(asyncio.to_thread(listener.listen))
    try:
        yield listener
    finally:
        listener.stop()
        process.terminate()
        process.wait(30)
        await listening


async def _until(done: Callable[[], bool], filling: Filling, into: timedelta, sql: str, at: datetime) -> None:
    """Keep the proof young until the evaluator has looked at an instant and every alert was read."""
    limit = time.monotonic() + _LIMIT
    while not (await filling.connection.fetchval(sql, at) and done()):
        if time.monotonic() > limit:
            raise TimeoutError("the process of alerts did not look in time")
        await asyncio.sleep(_TICK)
        await filling.prove(into)


async def _bucket(filling: Filling, listener: Listener, bucket: int) -> list[float]:
    """Return the seconds from the proof of a bucket's end to each alert."""
    end = _BUCKET * (bucket + 1)
    at = filling.start + end
    for tick in range(int(_AHEAD / _TICK)):
        began = time.monotonic()
        await filling.prove(end - timedelta(seconds=_AHEAD - tick * _TICK))
        await filling.flush_partials(GROUPS, 50 + tick % 50)
        await asyncio.sleep(max(0.0, _TICK - (time.monotonic() - began)))
    await filling.flush_partials(GROUPS, bucket, fallen=True)
    await filling.prove(end)
    return await _seconds(filling, listener, end, at)


async def _seconds(filling: Filling, listener: Listener, end: timedelta, at: datetime) -> list[float]:
    proven = time.monotonic()
    await _until(lambda: True, filling, end, LOOKED, at)
    told = await filling.connection.fetchval(TOLD, at)
    await _until(lambda: len(listener.times.get(at, ())) >= told, filling, end, LOOKED, at)
    return [read - proven for read in listener.times.get(at, [])]


def line(what: str, seconds: list[float]) -> str:
    """Return a line about the seconds of some alerts."""
    if not seconds:
        return f"{what:32} no alerts"
    middle, late, most = np.quantile(seconds, [0.5, 0.99, 1.0])
    return f"{what:32} {len(seconds):6} alerts, p50 {middle:.2f} s, p99 {late:.2f} s, at most {most:.2f} s"


async def _story(filling: Filling, listener: Listener, days: int, tell: Callable[[str], object]) -> None:
    for _ in range(days):
        await filling.close_day()
    await filling.flush_partials()
    await filling.connection.execute("analyze")
    await _until(lambda: True, filling, timedelta(), LOOKED, filling.start)
    seconds: list[float] = []
    for bucket in range(_FIRST, _LAST + 1):
        found = await _bucket(filling, listener, bucket)
        tell(line(f"the end of bucket {bucket}", found))
        seconds += found
    tell(line("the ends of buckets", seconds))
    end = filling.start + 12 * _BUCKET
    await filling.close_day(fallen=_LAST + 1)
    closed = await _seconds(filling, listener, timedelta(), end)
    tell(line("the close", closed))
    tell(line("all", seconds + closed))


async def telling(pipelines: int, days: int, tell: Callable[[str], object]) -> None:
    """Tell how long alerts take, on embedded servers."""
    with TemporaryDirectory() as name:
        stack = LocalStack(Path(name), only=["postgres", "kafka"], console=Console(quiet=True))
        with stack.running():
            dsn = stack.postgres.dsn()
            stack.postgres.execute("alter system set fsync = off")
            stack.postgres.execute("select pg_reload_conf()")
            connection = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
            await migrate(connection)
            filling = Filling(connection, pipelines)
            await filling.begin()
            async with _alerting(stack, Path(name), dsn) as listener:
                await _story(filling, listener, days, tell)
            await connection.close()
        stack.erase()
