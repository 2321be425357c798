import asyncio
import json
import os
import subprocess
import sys

import asyncpg
import pytest
from confluent_kafka.admin import AdminClient

from bench.dataset import load
from bench.work import Work
from tests.fakes.funnel import brute_force
from tests.servers import EmbeddedServers, Servers

pytestmark = pytest.mark.thorough


async def test_the_expected_answer_is_that_of_brute_force(empty_database: str) -> None:
    work = Work(4000)
    rows = await load(empty_database, work)
    expected = {
        (str(row["pipeline_id"]), str(row["from_stage_id"]), row["window_start"].date()): (
            row["entered_count"],
            row["converted_count"],
        )
        for row in rows
    }
    assert expected == brute_force(work.rows)


async def names(servers: Servers) -> set[str]:
    """Return the databases and topics that the servers hold."""
    connection = await asyncpg.connect(servers.postgres_dsn)
    databases = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
    await connection.close()
    topics = AdminClient({"bootstrap.servers": servers.kafka}).list_topics(timeout=10).topics
    return databases | {name for name in topics if not name.startswith("__")}


async def test_a_benchmark_of_the_worker_and_the_loop_is_exact_and_leaves_nothing(
    own_servers: EmbeddedServers,
) -> None:
    servers = own_servers
    before = await names(servers)
    environment = {
        **os.environ,
        "FUNNELPROOF_SOURCE_DSN": servers.postgres_dsn,
        "FUNNELPROOF_KAFKA": servers.kafka,
    }
    command = [sys.executable, "-m", "bench", "--only", "ours,loop", "--events", "5000", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ours, loop = json.loads(done.stdout)["contenders"]
    assert [ours["contender"], loop["contender"]] == ["ours", "loop"]
    for result in (ours, loop):
        assert result["exact"], result
        assert result["events"] == 5000
        assert 0 < result["cpu_before_first"] <= result["cpu_seconds"]  # read in hundredths
        assert 0 < result["seconds_from_first"] < result["seconds"]
        assert result["peak_mib"] > 10
    assert loop["cpu_ratio"] < ours["cpu_ratio"] == 1
    assert await names(servers) == before
