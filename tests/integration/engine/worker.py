"""A worker for the engine's tests: it notes what happens as JSON lines in a file.

It is told what to do by one JSON object in ENGINE_TEST.
"""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import faust
from faust.types import StreamT

from streams.engine import BatchApp, RecordBatch, buffers
from streams.engine import app as engine_app
from streams.engine import thread as engine_thread

SPEC = json.loads(os.environ["ENGINE_TEST"])
NOTES = Path(SPEC["notes"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - lives as long as the process


def note(event: str, **details: object) -> None:
    """Write one line."""
    NOTES.write(json.dumps({"event": event, "at": time.time(), **details}) + "\n")


def is_held_back() -> bool:
    """Whether the file that the preparation is to wait for is missing yet."""
    return "assign_after" in SPEC and not Path(SPEC["assign_after"]).exists()


class Owner:
    """Keeps positions only, from those it was told to start at."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.positions: dict[int, int] = {}

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        """Continue what is still held."""
        note("assigning", partitions=sorted(partitions))
        try:
            await asyncio.sleep(SPEC.get("assign_seconds", 0))
            while is_held_back():
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            note("assigning cancelled")
            raise
        if SPEC.get("assign_fails"):
            raise RuntimeError("cannot be assigned")
        start = {int(partition): at for partition, at in SPEC.get("start", {}).items()}
        self.positions = {p: self.positions.get(p, start.get(p, 0)) for p in partitions}
        note("assigned", positions=self.positions)
        return dict(self.positions)

    async def on_revoked(self, partitions: set[int]) -> None:
        """Say where each stands."""
        await asyncio.sleep(SPEC.get("revoke_seconds", 0))
        if SPEC.get("revoke_fails"):
            raise RuntimeError("cannot be revoked")
        await app.commit_positions(self.positions)
        note("revoked", partitions=sorted(partitions), positions=self.positions)


class App(BatchApp):
    """Notes its last words."""

    def tell_end(self) -> None:
        note("end", reason=repr(self.fatal))


owner = Owner()
session_timeout = SPEC.get("session_timeout", 10)
app = App(
    SPEC["group"],
    owner=owner,
    broker=f"microbatch://{SPEC['kafka']}",
    revoke_timeout=SPEC.get("revoke_timeout", 5.0),
    max_batch_records=SPEC.get("max_batch_records", 4000),
    datadir=SPEC["datadir"],
    web_enabled=SPEC.get("web", False),
    worker_redirect_stdouts=False,
    broker_session_timeout=session_timeout,
    broker_heartbeat_interval=min(1.0, session_timeout / 5),
    broker_commit_interval=0.5,
)


@app.agent(app.batch_topic(SPEC["topic"]))  # type: ignore[untyped-decorator]  # Faust is not typed
async def follow(stream: StreamT[RecordBatch]) -> None:
    """Note every batch, then stand after it."""
    seen = 0
    async for batch in stream:
        current = app.is_current(batch)
        parts = [
            {
                "partition": part.partition,
                "next": part.next_offset,
                "offsets": [record.offset for record in part.records],
                "values": [(record.value or b"").decode() for record in part.records],
                "headers": [[name for name, _ in record.headers] for record in part.records],
                "timestamp": part.records[-1].timestamp if part.records else None,
            }
            for part in batch.parts
        ]
        note("batch", current=current, generation=batch.generation, size=len(batch), parts=parts)
        if not current:
            continue
        for part in batch.parts:
            owner.positions[part.partition] = part.next_offset
        seen += len(batch)
        if seen >= SPEC.get("fail_after", sys.maxsize):
            raise ValueError("the agent fails on purpose")
        if SPEC.get("commit"):
            await app.commit_positions(owner.positions)
        if "busy_seconds" in SPEC:
            time.sleep(SPEC["busy_seconds"])  # noqa: ASYNC251 - it computes
            note("done")
        await asyncio.sleep(SPEC.get("batch_seconds", 0))


def _read_buffers(*what: Any) -> list[buffers.BufferRead]:  # noqa: ANN401 - as `read_buffers` has them
    reads = buffers.read_buffers(*what)
    if reads:
        note("taken", thread=threading.current_thread().name)
    return reads


if "busy_seconds" in SPEC:
    setattr(engine_thread, "read_buffers", _read_buffers)  # noqa: B010 - says when it is asked

if SPEC.get("hangs"):
    engine_app.HARD_EXIT_SECONDS = 2.0
    threading.Thread(target=time.sleep, args=(60,)).start()  # which Python would wait for


@app.task  # type: ignore[untyped-decorator]  # Faust is not typed
async def _die_if_told() -> None:
    if "die_after" in SPEC:
        await asyncio.sleep(SPEC["die_after"])
        await app.die(RuntimeError("the application gives up"))


if __name__ == "__main__":
    faust.Worker(app, loglevel="INFO").execute_from_commandline()
