"""A report's run from RUNNING to COMPLETED or FAILED, on real Postgres."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest

from streams import run_stage_conversion_report
from streams.errors import PreconditionError, ReportError
from streams.report.report import run_report
from streams.report.request import make_request
from streams.resources import sql
from streams.store.database import OwnConnection

TENANT, PIPELINE, OTHER = (UUID(int=n) for n in (1, 2, 3))
LEAD, OFFER, WON = STAGES = [UUID(int=n) for n in (11, 12, 13)]
START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=1)
REPORT = (TENANT, PIPELINE, START, END)


@pytest.fixture
async def crm(connection: OwnConnection) -> OwnConnection:
    """Lead -> Offer -> Won, with gaps in the order: three deals enter Lead, two go on to Offer, one to Won."""
    await connection.executemany(
        "insert into dyno_crm.pipeline_stage values ($1, $2, $3, $4, $5)",
        [(stage, TENANT, PIPELINE, f"Stage {n}", n * 10) for n, stage in enumerate(STAGES)],
    )
    await connection.executemany(
        "insert into dyno_crm.deal_pipeline_stage_state values (gen_random_uuid(), $1, $2, $3, $4, $5)",
        [
            (TENANT, UUID(int=100 + deal), PIPELINE, stage, START + timedelta(hours=hour))
            for deal in range(3)
            for hour, stage in enumerate(STAGES[: deal + 1])
        ],
    )
    return connection


async def runs(connection: OwnConnection) -> list[tuple[UUID, str]]:
    return [tuple(row) for row in await connection.fetch("select id, status from dyno_crm.report_run")]


async def facts(connection: OwnConnection) -> list[tuple[object, ...]]:
    rows = await connection.fetch(
        "select run_id, from_stage_id, to_stage_id, entered_count, converted_count, conversion_rate"
        " from dyno_crm.report_stage_conversion_fact order by from_stage_id"
    )
    return [tuple(row) for row in rows]


async def until_waiting_for_a_lock(waiting: OwnConnection, watching: OwnConnection) -> None:
    query = "select exists (select from pg_locks where pid = $1 and not granted)"
    async with asyncio.timeout(10):
        while not await watching.fetchval(query, waiting.get_server_pid()):
            await asyncio.sleep(0.01)


async def test_a_report_keeps_one_completed_run_with_its_period_parameters_and_facts(
    crm: OwnConnection,
) -> None:
    run_id = await run_stage_conversion_report(crm, *REPORT)

    assert await facts(crm) == [
        (run_id, LEAD, OFFER, 3, 2, Decimal("0.6667")),
        (run_id, OFFER, WON, 2, 1, Decimal("0.5000")),
    ]
    row = await crm.fetchrow("select * from dyno_crm.report_run")
    assert row is not None
    assert (row["id"], row["tenant_id"], row["status"]) == (run_id, TENANT, "COMPLETED")
    assert (row["report_type"], row["period_start"], row["period_end"]) == ("STAGE_CONVERSION", START, END)
    assert abs(row["generated_at"] - await crm.fetchval("select now()")) < timedelta(minutes=1)
    assert json.loads(row["parameters"]) == {
        "pipeline_id": str(PIPELINE),
        "stage_pairs": None,
        "origin": "canonical",
    }


async def test_given_pairs_replace_the_derived_ones_and_are_kept_as_given(crm: OwnConnection) -> None:
    pairs = [{"from_stage_id": str(LEAD), "to_stage_id": str(WON)}]
    run_id = await run_stage_conversion_report(crm, str(TENANT), str(PIPELINE), START, END, pairs * 2)
    assert await facts(crm) == [(run_id, LEAD, WON, 3, 1, Decimal("0.3333"))]
    parameters = await crm.fetchval("select parameters from dyno_crm.report_run")
    assert json.loads(parameters)["stage_pairs"] == pairs


async def test_an_empty_list_of_pairs_means_the_derived_ones(crm: OwnConnection) -> None:
    await run_stage_conversion_report(crm, *REPORT, stage_pairs=[])
    assert [fact[1:3] for fact in await facts(crm)] == [(LEAD, OFFER), (OFFER, WON)]


async def test_two_runs_of_the_same_report_are_two_runs_with_the_same_facts(crm: OwnConnection) -> None:
    first, second = [await run_stage_conversion_report(crm, *REPORT) for _ in range(2)]
    kept = await facts(crm)
    assert [fact[1:] for fact in kept if fact[0] == first] == [fact[1:] for fact in kept if fact[0] == second]
    assert len(kept) == 4


async def test_a_codec_that_the_caller_set_for_jsonb_changes_nothing(crm: OwnConnection) -> None:
    await crm.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
    await run_stage_conversion_report(crm, *REPORT, stage_pairs=[{"from_stage_id": LEAD, "to_stage_id": WON}])
    parameters = await crm.fetchval("select parameters from dyno_crm.report_run")
    assert parameters["pipeline_id"] == str(PIPELINE)


async def test_a_failed_run_survives_the_rollback_of_its_facts(crm: OwnConnection) -> None:
    await crm.execute(
        "alter table dyno_crm.report_stage_conversion_fact add constraint no_won check (converted_count <> 1)"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await run_stage_conversion_report(crm, *REPORT)
    assert [status for _, status in await runs(crm)] == ["FAILED"]
    assert await facts(crm) == []


async def test_a_cancelled_run_is_failed_and_leaves_the_connection_usable(
    crm: OwnConnection, other_connection: OwnConnection
) -> None:
    async with other_connection.transaction():
        await other_connection.execute("lock table dyno_crm.report_stage_conversion_fact")
        report = asyncio.create_task(run_stage_conversion_report(crm, *REPORT))
        await until_waiting_for_a_lock(crm, other_connection)
        assert [status for _, status in await runs(other_connection)] == ["RUNNING"]
        report.cancel()
        with pytest.raises(asyncio.CancelledError):
            await report
    assert [status for _, status in await runs(crm)] == ["FAILED"]
    assert not crm.is_in_transaction()


async def test_a_run_whose_connection_is_lost_says_that_it_is_still_running(
    crm: OwnConnection, other_connection: OwnConnection
) -> None:
    async with other_connection.transaction():
        await other_connection.execute("lock table dyno_crm.report_stage_conversion_fact")
        report = asyncio.create_task(run_stage_conversion_report(crm, *REPORT))
        await until_waiting_for_a_lock(crm, other_connection)
        await other_connection.execute("select pg_terminate_backend($1)", crm.get_server_pid())
        with pytest.raises(asyncpg.InterfaceError) as raised:
            await report
    [(run_id, status)] = await runs(other_connection)
    assert status == "RUNNING"
    assert f"{run_id} is still RUNNING" in raised.value.__notes__[0]


async def test_a_run_that_completed_is_not_failed_afterwards(crm: OwnConnection) -> None:
    run_id = await run_stage_conversion_report(crm, *REPORT)
    await crm.execute(sql("queries/report/report_fail"), run_id)
    assert await runs(crm) == [(run_id, "COMPLETED")]


async def test_a_connection_in_a_transaction_is_refused_and_nothing_is_written(crm: OwnConnection) -> None:
    async with crm.transaction():
        with pytest.raises(ReportError, match="a transaction is open on the connection"):
            await run_stage_conversion_report(crm, *REPORT)
    assert await runs(crm) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"period_end": START}, "the period is empty"),
        ({"tenant_id": OTHER}, f"tenant {OTHER} has no pipeline {PIPELINE}"),
        ({"pipeline_id": OTHER}, f"tenant {TENANT} has no pipeline {OTHER}"),
        (
            {"stage_pairs": [{"from_stage_id": LEAD, "to_stage_id": OTHER}]},
            f"the pipeline does not have: {OTHER}",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    crm: OwnConnection, changed: dict[str, object], told: str
) -> None:
    arguments = dict(zip(("tenant_id", "pipeline_id", "period_start", "period_end"), REPORT, strict=True))
    with pytest.raises(ReportError, match=told):
        await run_stage_conversion_report(crm, **(arguments | changed))  # type: ignore[arg-type]  # mixed on purpose
    assert await runs(crm) == []


async def test_a_stage_of_another_tenant_in_the_same_pipeline_is_none_of_this_report(
    crm: OwnConnection,
) -> None:
    stranger = uuid4()
    await crm.execute(
        "insert into dyno_crm.pipeline_stage values ($1, $2, $3, 'Theirs', 5)", stranger, OTHER, PIPELINE
    )
    await run_stage_conversion_report(crm, *REPORT)
    assert len(await facts(crm)) == 2
    with pytest.raises(ReportError, match=str(stranger)):
        await run_stage_conversion_report(
            crm, *REPORT, stage_pairs=[{"from_stage_id": LEAD, "to_stage_id": stranger}]
        )


async def test_missing_tables_are_told_with_what_makes_them(
    crm: OwnConnection, empty_connection: OwnConnection
) -> None:
    with pytest.raises(PreconditionError, match=r"the CRM's tables.*pipeline_stage"):
        await run_stage_conversion_report(empty_connection, *REPORT)
    await crm.execute("drop table dyno_crm.report_run cascade")
    with pytest.raises(PreconditionError, match=r"funnelproof migrate.*report_run"):
        await run_stage_conversion_report(crm, *REPORT)


async def test_the_facts_may_be_kept_in_another_database_than_the_crm(
    crm: OwnConnection, empty_connection: OwnConnection
) -> None:
    await empty_connection.execute(sql("migrations/0001_report"))
    report = await run_report(crm, empty_connection, make_request(*REPORT))
    assert [(c.from_stage, c.to_stage, c.entered_count) for c in report.conversions] == [
        ("Stage 0", "Stage 1", 3),
        ("Stage 1", "Stage 2", 2),
    ]
    assert await runs(empty_connection) == [(report.run_id, "COMPLETED")]
    assert len(await facts(empty_connection)) == 2
    assert await runs(crm) == []


async def test_deleting_a_run_deletes_its_facts(crm: OwnConnection) -> None:
    await run_stage_conversion_report(crm, *REPORT)
    await crm.execute("delete from dyno_crm.report_run")
    assert await facts(crm) == []
