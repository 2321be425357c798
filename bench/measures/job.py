"""What the source database has to bear of the reconciliation job, beside a worker and a CRM that writes."""

import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from asyncpg import Record

from bench.contender import ROOT
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, run, writing
from bench.measures.source import server_of
from bench.processes import measured, server_cpu
from bench.servers import connected
from bench.statements import statement
from streams.local.stack import LocalStack

_RATE = 100
_ROWS = 100_000
_HISTORY = timedelta(days=28)
_EVERY = "1m"
_WITHOUT = 1 / 6
"""The time that is measured without the job, as a part of the time with the job."""
_HOUR = 3600


async def measure(setting: Setting) -> Finding:
    """Have rows written without the job, then with the job, each for a while."""
    rows: list[dict[str, object]] = []
    folder = setting.folder / "job"
    async with AsyncExitStack() as open_things:
        # The facts lie on a server of their own, so that the source's processes serve the source alone.
        facts = LocalStack(folder / "facts", only=["postgres"], console=setting.console)
        open_things.callback(facts.erase)
        open_things.enter_context(facts.running())
        source = await open_things.enter_async_context(setting.servers.database("bench_job"))
        await open_things.enter_async_context(crm(source))
        connection = await open_things.enter_async_context(connected(source))
        await connection.execute(statement("history_insert"), _ROWS)
        await connection.execute("vacuum analyze dyno_crm.deal_pipeline_stage_state")
        installation = await open_things.enter_async_context(
            installed(setting.servers, source, facts.postgres.dsn(), folder / "cdc")
        )
        until = datetime.now(UTC)
        await run(
            installation.environment,
            *("backfill", "--from", (until - _HISTORY).isoformat(), "--to", until.isoformat()),
        )
        report = await open_things.enter_async_context(connected(installation.facts_dsn))
        server = await server_of(connection)
        await open_things.enter_async_context(writing(source, _RATE, setting.folder))

        async def comparisons() -> Record:
            (row,) = await report.fetch(statement("comparisons"))
            return row

        async def look(what: str, seconds: float) -> None:
            compared = await comparisons()
            before, began = server_cpu(server), time.monotonic()
            await connection.fetchval("select pg_sleep($1)", seconds)
            spent, passed = server_cpu(server) - before, time.monotonic() - began
            now = await comparisons()
            rows.append(
                {
                    "load": what,
                    "s": round(passed),
                    "CPU s measured": round(spent, 1),
                    "CPU s an hour": round(spent / passed * _HOUR),
                    "comparisons": now["comparisons"] - compared["comparisons"],
                    "runs compared": now["runs"] - compared["runs"],
                    "not equal": now["not_equal"] - compared["not_equal"],
                }
            )

        await look(f"{_RATE} rows/s, no job", setting.seconds * _WITHOUT)
        command = [sys.executable, "-m", "streams", "reconcile", "--every", _EVERY]
        with measured(command, installation.environment, setting.folder / "job.log", ROOT):
            await look(f"{_RATE} rows/s, the job every minute", setting.seconds)
    return Finding(
        "CPU of the source database beside the reconciliation job",
        f"All processes of the source database. A month of {_ROWS:,} entries of 8 pipelines, of which every hour, day "
        "and week was closed by a backfill; a worker runs. The job compares what is due every minute, with the default "
        "share of a core.",
        rows,
    )
