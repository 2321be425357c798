"""A whole funnelproof installation: the CRM's database, the connector, one worker, default settings but for windows."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bench.contender import ROOT
from bench.errors import BenchError
from bench.processes import Measured, measured, outside
from bench.servers import Servers, connected, unique
from bench.statements import statement
from bench.work import Work
from streams.resources import sql

_PATIENCE = 60.0


@dataclass(frozen=True)
class Installation:
    """A running installation: where the CRM's database and that of the facts are, its settings, and its worker."""

    source_dsn: str
    facts_dsn: str
    environment: Mapping[str, str]
    worker: Measured


@asynccontextmanager
async def crm(dsn: str) -> AsyncIterator[str]:
    """Make the CRM's tables and the pipelines of the common work, with the index that a report wants."""
    async with connected(dsn) as connection:
        await connection.execute(sql("local/crm"))
        await connection.execute(
            "create index on dyno_crm.deal_pipeline_stage_state (tenant_id, pipeline_id, entered_at)"
        )
        stages = [
            (UUID(stage), UUID(pipeline.tenant_id), UUID(pipeline.id), f"stage {order}", order)
            for pipeline in Work(0).pipelines
            for order, stage in enumerate(pipeline.stages, 1)
        ]
        await connection.executemany(statement("stage_insert"), stages)
    yield dsn


@asynccontextmanager
async def installed(
    servers: Servers, source_dsn: str, facts_dsn: str, folder: Path, windows: Sequence[str] = ()
) -> AsyncIterator[Installation]:
    """Set everything up on a CRM's database and wait until the worker proves; leave nothing behind.

    `windows` are the kinds to close; the default ones where none are given.
    """
    await asyncio.to_thread(folder.mkdir, parents=True)
    name = unique("bench")
    settings = {
        "SOURCE_DSN": source_dsn,
        "REPORT_DSN": facts_dsn,
        "KAFKA": servers.kafka,
        "CONNECT_URL": servers.connect or "",
        "INSTANCE": name,
        "TOPIC_PREFIX": name,
        "STATE_DIR": str(folder / "state"),
        **({"WINDOWS": ",".join(windows)} if windows else {}),
    }
    environment = {f"FUNNELPROOF_{key}": value for key, value in settings.items()}
    await run(environment, "migrate")
    await run(environment, "connector", "apply")
    try:
        with measured(
            [sys.executable, "-m", "streams", "worker"], environment, folder / "log", ROOT
        ) as worker:
            await _until_proven(facts_dsn, folder)
            yield Installation(source_dsn, facts_dsn, environment, worker)
    finally:
        await run(environment, "connector", "delete", "--topics")


@asynccontextmanager
async def writing(dsn: str, rate: int, folder: Path, corrected_percent: int = 0) -> AsyncIterator[None]:
    """Have rows written for the length of a block; raises BenchError where the writer has ended before it."""
    log = folder / "writer.log"
    command = [sys.executable, "-m", "bench.measures.writer", dsn, str(rate), str(corrected_percent)]
    with measured(command, {}, log, ROOT) as writer:
        yield
        if not writer.runs:
            raise BenchError(f"the writer ended early: {writer.last_words()}")


async def _until_proven(facts_dsn: str, folder: Path) -> None:
    async with connected(facts_dsn) as facts:
        for _ in range(int(_PATIENCE / 0.2)):
            if await facts.fetchval(
                "select count(*) > 0 from funnelproof.prover where source_time is not null"
            ):
                return
            await asyncio.sleep(0.2)
    raise BenchError(f"the worker proved nothing within {_PATIENCE:.0f} s: see {folder / 'log'}")


async def run(environment: Mapping[str, str], *command: str) -> None:
    """Run a command of funnelproof; raises BenchError if the command fails."""
    done = await _ended(environment, command)
    if done.returncode:
        raise BenchError(f"funnelproof {' '.join(command)} failed: {done.stderr.strip()}")


async def output(environment: Mapping[str, str], *command: str) -> str:
    """Run a command of funnelproof; return what the command prints, whatever the exit status.

    Raises BenchError if the command prints nothing.
    """
    done = await _ended(environment, command)
    if not done.stdout:
        raise BenchError(f"funnelproof {' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


async def _ended(
    environment: Mapping[str, str], command: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "streams", *command],
        env={**outside(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
