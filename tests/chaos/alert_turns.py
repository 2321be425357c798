"""Turns of the alerts under faults: conversion falls and recovers meanwhile, and what was decided is told to all.

A drop is short: a drop of 14 windows would become the usual rate.
"""

import asyncio
import shutil
import time
from collections.abc import Sequence
from datetime import datetime

from tests.chaos.alert_traffic import FALLEN, USUAL
from tests.chaos.alerting import PIPELINES, Alarm
from tests.chaos.stage import FOLDING
from tests.standing_still import stopped

DROP = 100
"""The most ticks of a drop."""


async def turn(alarm: Alarm, *faults: str) -> str:
    """Let conversion fall and recover; the faults come one after the other, each at a random moment.

    Return what happened.
    """
    began, before = time.monotonic(), await alarm.fired()
    happening = asyncio.create_task(_one_by_one(alarm, faults))
    fired = await drop(alarm, before)
    await alarm.quiet(before + PIPELINES)
    evidence = await happening
    await asyncio.sleep(10)  # a window of usual traffic
    transitions, records, requests = await alarm.told()
    return (
        f"{' and '.join(faults)}: a drop of {fired:.0f} s fired, resolved after {time.monotonic() - began - 10:.0f} s; "
        f"{transitions} transitions once each, {records} records, {requests} requests so far; {evidence}"
    )


async def drop(alarm: Alarm, before: int) -> float:
    """Let conversion fall until all alerts have fired, or for DROP ticks; return the seconds."""
    flow, began = alarm.flow, time.monotonic()
    last, flow.rate = flow.ticks + DROP, FALLEN
    try:
        while flow.ticks < last and await alarm.fired() < before + PIPELINES:
            await asyncio.sleep(0.25)
    finally:
        flow.rate = USUAL
    return time.monotonic() - began


async def _one_by_one(alarm: Alarm, faults: Sequence[str]) -> str:
    told = []
    for fault in faults:
        seconds = alarm.flow.chance.uniform(0.5, 14 / len(faults))
        await asyncio.sleep(seconds)
        told.append(f"after {seconds:.1f} s {await FAULTS[fault](alarm)}")
    return ", ".join(told)


async def kill_evaluator(alarm: Alarm) -> str:
    """The evaluator dies, and another begins."""
    last = alarm.evaluators[-1]
    assert last.runs, last.log()
    last.kill()
    await asyncio.sleep(alarm.flow.chance.uniform(0, 2))
    alarm.start_evaluator()
    return f"evaluator {last.process.pid} ended by SIGKILL"


async def kill_worker(alarm: Alarm) -> str:
    """The worker dies, and another begins."""
    worker = alarm.worker
    worker.kill()
    await asyncio.sleep(alarm.flow.chance.uniform(0, 2))
    if alarm.flow.chance.random() < 0.4:
        shutil.rmtree(alarm.installation.folder / "state", ignore_errors=True)
    alarm.installation.start_worker()
    return f"worker {worker.process.pid} ended by SIGKILL"


async def kill_postgres(alarm: Alarm) -> str:
    """Source and report go away."""
    return await _kill_server(alarm, "postgres")


async def kill_kafka(alarm: Alarm) -> str:
    """Kafka goes away."""
    return await _kill_server(alarm, "kafka")


async def _kill_server(alarm: Alarm, name: str) -> str:
    server = getattr(alarm.servers.stack, name)
    pid = server.pid
    server.kill()
    await asyncio.sleep(alarm.flow.chance.uniform(0, 2))
    await asyncio.to_thread(server.start)
    return f"{name} {pid} ended by SIGKILL"


async def nothing(alarm: Alarm) -> str:
    """No fault: the turn is measured."""
    return f"nothing happened to {len(alarm.evaluators)} evaluators"


FAULTS = {
    "kill -9 evaluator": kill_evaluator,
    "kill -9 worker": kill_worker,
    "kill -9 postgres": kill_postgres,
    "kill -9 kafka": kill_kafka,
    "no fault": nothing,
}


async def stall(alarm: Alarm, what: str, seconds: float) -> str:
    """Let something stand still in usual traffic: no alert; a drop meanwhile is told of after, and not before."""
    await asyncio.sleep(5)
    fired = await alarm.fired()
    with stopped(_process(alarm, what)):
        await asyncio.sleep(seconds)
        assert await alarm.fired() == fired
    await _caught_up(alarm)
    await asyncio.sleep(10)
    assert await alarm.fired() == fired, alarm.evidence()
    alarm.flow.rate = FALLEN
    with stopped(_process(alarm, what)):
        await asyncio.sleep(15)
    alarm.flow.rate = USUAL
    await alarm.quiet(fired + PIPELINES)
    await alarm.told()
    return f"{what} stood still for {seconds:.0f} s: no alert; the drop during the next 15 s was told of"


def _process(alarm: Alarm, what: str) -> int:
    if what == "worker":
        return alarm.worker.process.pid
    pid = alarm.servers.stack.connect.pid
    assert pid is not None
    return pid


async def _caught_up(alarm: Alarm) -> None:
    now: datetime = await alarm.installation.now()
    question = "select source_time > $1 from funnelproof.prover"
    await alarm.installation.wait_until(question, now, seconds=FOLDING)
