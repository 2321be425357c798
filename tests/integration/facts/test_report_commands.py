"""`funnelproof migrate` and `funnelproof report` as a user runs them."""

import asyncio
import json
import os
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from streams.errors import UnreachableError
from streams.settings import Settings
from streams.store.database import OwnConnection, source_connection
from tests import programs

TENANT, PIPELINE, LEAD, WON = (UUID(int=n) for n in range(1, 5))
REPORT = (
    "report",
    "--tenant",
    str(TENANT),
    "--pipeline",
    str(PIPELINE),
    "--from",
    "2026-03-01",
    "--to",
    "2026-03-02",
)


@dataclass(frozen=True)
class Outcome:
    status: int | None
    out: str
    err: str


async def funnelproof(*arguments: str, **settings: str) -> Outcome:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
    environment |= {f"FUNNELPROOF_{name.upper()}": value for name, value in settings.items()}
    done = await asyncio.to_thread(programs.run, arguments, environment)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
async def crm(connection: OwnConnection) -> None:
    """Lead -> [Won], entered at midnight and an hour later in Berlin, which is the day before in UTC."""
    await connection.executemany(
        "insert into dyno_crm.pipeline_stage values ($1, $2, $3, $4, $5)",
        [(LEAD, TENANT, PIPELINE, "Lead", 1), (WON, TENANT, PIPELINE, "[bold]Won", 2)],
    )
    await connection.execute(
        "insert into dyno_crm.deal_pipeline_stage_state values"
        " (gen_random_uuid(), $1, $1, $2, $3, '2026-03-01 00:00+01'),"
        " (gen_random_uuid(), $1, $1, $2, $4, '2026-03-01 01:00+01')",
        TENANT,
        PIPELINE,
        LEAD,
        WON,
    )


@pytest.mark.usefixtures("crm")
async def test_report_prints_names_counts_and_the_run_in_the_timezone_of_the_settings(
    database: str, connection: OwnConnection
) -> None:
    told = await funnelproof(*REPORT, source_dsn=database, timezone="Europe/Berlin")
    assert (told.status, told.err) == (0, "")
    for part in ("Lead", "[bold]Won", "100.00%", "2026-03-01 00:00:00+0100"):
        assert part in told.out
    run_id, status = await connection.fetchrow("select id, status from dyno_crm.report_run") or ("", "")
    assert told.out.rstrip().endswith(f"run {run_id}")
    assert status == "COMPLETED"


@pytest.mark.usefixtures("crm")
async def test_report_prints_one_json_object_when_asked(database: str) -> None:
    pairs = json.dumps([{"from_stage_id": str(WON), "to_stage_id": str(LEAD)}])
    told = await funnelproof(*REPORT, "--pairs", pairs, "--json", source_dsn=database)
    result = json.loads(told.out)
    UUID(result.pop("run_id"))
    assert result == {
        "tenant_id": str(TENANT),
        "pipeline_id": str(PIPELINE),
        "period_start": "2026-03-01T00:00:00+00:00",
        "period_end": "2026-03-02T00:00:00+00:00",
        "conversions": [
            {
                "from_stage_id": str(WON),
                "from_stage": "[bold]Won",
                "to_stage_id": str(LEAD),
                "to_stage": "Lead",
                "entered_count": 1,
                "converted_count": 0,
                "conversion_rate": 0.0,
            }
        ],
    }


@pytest.mark.usefixtures("crm")
async def test_report_reads_the_crm_and_keeps_the_run_where_report_dsn_points(
    database: str, empty_database: str
) -> None:
    settings = {"source_dsn": database, "report_dsn": empty_database}
    assert (await funnelproof("migrate", **settings)).status == 0
    assert (await funnelproof(*REPORT, **settings)).status == 0
    for dsn, expected in ((database, 0), (empty_database, 1)):
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select count(*) from dyno_crm.report_run") == expected
        await connection.close()


async def test_migrate_says_what_it_touches_before_and_after_and_that_nothing_is_left(
    empty_database: str,
) -> None:
    promised = await funnelproof("migrate", "--dry-run", source_dsn=empty_database)
    assert "would apply" in promised.out
    assert "touches dyno_crm.report_run: " in promised.out
    done = await funnelproof("migrate", source_dsn=empty_database)
    assert done.out == promised.out.replace("would apply", "applied")
    assert "is up to date" in (await funnelproof("migrate", source_dsn=empty_database)).out


async def test_wrong_use_is_told_in_one_line_with_status_two(database: str) -> None:
    wrong = {
        REPORT: f"tenant {TENANT} has no pipeline {PIPELINE}",
        (*REPORT[:-1], "later"): "--to 'later' is not an instant",
        (*REPORT[:-1], "2026-03-01"): "the period is empty",
        (*REPORT, "--pairs", "[}"): "--pairs is not JSON",
        (*REPORT, "--pairs", "{}"): "stage_pairs is a list",
        ("report", "--tenant", "me"): "--tenant",
        ("reprot",): "No such command",
    }
    outcomes = await asyncio.gather(*(funnelproof(*arguments, source_dsn=database) for arguments in wrong))
    for outcome, told in zip(outcomes, wrong.values(), strict=True):
        assert (outcome.status, outcome.out) == (2, "")
        assert told in outcome.err
        assert outcome.err.count("\n") == 1


async def test_a_database_that_does_not_answer_is_named_without_its_password(unused_tcp_port: int) -> None:
    dsn = f"postgresql://me:s3cret@127.0.0.1:{unused_tcp_port}/crm"
    commands = [("migrate",), REPORT]
    for outcome in await asyncio.gather(*(funnelproof(*command, source_dsn=dsn) for command in commands)):
        assert (outcome.status, outcome.out) == (2, "")
        assert f"127.0.0.1:{unused_tcp_port}/crm" in outcome.err
        assert "FUNNELPROOF_SOURCE_DSN" in outcome.err
        assert "s3cret" not in outcome.err
        assert outcome.err.count("\n") == 1


async def test_a_connection_that_is_lost_on_the_way_is_told_with_its_setting(database: str) -> None:
    settings = Settings(source_dsn=database)
    with pytest.raises(UnreachableError, match=r"\(FUNNELPROOF_SOURCE_DSN\) was lost"):
        async with source_connection(settings) as connection:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")
