"""The canonical report: a run of `sql/canonical/stage_conversion.sql`, kept with the run's facts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg

from streams.errors import PreconditionError, ReportError
from streams.report.request import Request, make_request
from streams.resources import sql
from streams.store.connecting import DRIVERS_ERRORS
from streams.store.database import Connection
from streams.store.refusals import remedy_of


@dataclass(frozen=True)
class Conversion:
    """The counts of a pair of stages in the period.

    `entered_count` counts the deals that entered the first stage. `converted_count` counts the deals among them
    that entered the second stage later in the period. `conversion_rate` is the quotient to four digits, or 0 for
    a stage that no deal entered.
    """

    from_stage_id: UUID
    from_stage: str | None
    to_stage_id: UUID
    to_stage: str | None
    entered_count: int
    converted_count: int
    conversion_rate: Decimal


@dataclass(frozen=True)
class Report:
    """A completed run with its facts, in the order of the pipeline's stages."""

    run_id: UUID
    conversions: tuple[Conversion, ...]


async def run_stage_conversion_report(
    conn: Connection,
    tenant_id: UUID | str,
    pipeline_id: UUID | str,
    period_start: datetime,
    period_end: datetime,
    stage_pairs: Sequence[Mapping[str, UUID | str]] | None = None,
    *,
    report_conn: Connection | None = None,
) -> UUID:
    """Report the stage conversions in `[period_start, period_end)`, and return the id of the report's run.

    `conn` is an asyncpg connection to the CRM's database, outside of a transaction. `report_conn` is an asyncpg
    connection to the database of the report tables, outside of a transaction; None means that `conn` leads to the
    report tables, too. `stage_pairs` is a list of `{"from_stage_id": uuid, "to_stage_id": uuid}`; None or an empty
    list means each stage and the next.

    The run is committed as RUNNING first. The facts and the status COMPLETED are committed together afterwards.
    After an error or a cancellation in between, the run stays as FAILED without facts, and the error is raised.

    Raises ReportError, with nothing written, for a naive datetime, a period that does not end after its start, an
    unknown pipeline or stage of the tenant, and a connection inside a transaction. Raises PreconditionError for
    missing tables or privileges.
    """
    request = make_request(tenant_id, pipeline_id, period_start, period_end, stage_pairs)
    return (await run_report(conn, report_conn or conn, request)).run_id


async def run_report(source: Connection, facts: Connection, request: Request) -> Report:
    """Run the report on the CRM's tables at `source`, and keep the run at `facts`.

    `source` and `facts` may be a single connection. The errors are the errors of `run_stage_conversion_report`.
    """
    if source.is_in_transaction() or facts.is_in_transaction():
        raise ReportError(
            "a transaction is open on the connection, and its end would undo the run: end it first"
        )
    names = await _stage_names(source, request)
    request.check_stages(names)
    run_id = await _start(facts, request)
    try:
        async with facts.transaction():
            conversions = await _conversions(source, request, names)
            await _keep(facts, run_id, request, conversions)
    except BaseException as error:
        await _fail(facts, run_id, error)
        raise
    return Report(run_id, conversions)


async def _stage_names(source: Connection, request: Request) -> dict[UUID, str | None]:
    with _explained("the CRM's tables"):
        rows = await source.fetch(sql("queries/report/report_stages"), request.tenant_id, request.pipeline_id)
    if not rows:
        raise ReportError(
            f"tenant {request.tenant_id} has no pipeline {request.pipeline_id} "
            "(no such rows in dyno_crm.pipeline_stage): check both ids"
        )
    return {row["id"]: row["name"] for row in rows}


async def _start(facts: Connection, request: Request) -> UUID:
    run_id = uuid4()
    parameters = {
        "pipeline_id": str(request.pipeline_id),
        "stage_pairs": request.plain_pairs,
        "origin": "canonical",
    }
    period = request.period_start, request.period_end
    with _explained("the report tables (`funnelproof migrate` makes them)"):
        await facts.execute(
            sql("queries/report/report_start"), run_id, request.tenant_id, *period, json.dumps(parameters)
        )
    return run_id


async def _conversions(
    source: Connection, request: Request, names: Mapping[UUID, str | None]
) -> tuple[Conversion, ...]:
    with _explained("the CRM's tables"):
        rows = await source.fetch(
            sql("canonical/stage_conversion"),
            request.tenant_id,
            request.pipeline_id,
            request.period_start,
            request.period_end,
            request.pairs_json,
        )
    return tuple(
        Conversion(
            **dict(row),
            from_stage=names.get(row["from_stage_id"]),
            to_stage=names.get(row["to_stage_id"]),
        )
        for row in rows
    )


async def _keep(facts: Connection, run_id: UUID, request: Request, conversions: Sequence[Conversion]) -> None:
    rows = [
        (
            run_id,
            request.tenant_id,
            request.pipeline_id,
            fact.from_stage_id,
            fact.to_stage_id,
            fact.entered_count,
            fact.converted_count,
            fact.conversion_rate,
        )
        for fact in conversions
    ]
    with _explained("the report tables (`funnelproof migrate` makes them)"):
        await facts.executemany(sql("queries/report/report_fact"), rows)
        await facts.execute(sql("queries/report/report_complete"), run_id)


async def _fail(facts: Connection, run_id: UUID, error: BaseException) -> None:
    try:
        await facts.execute(sql("queries/report/report_fail"), run_id)
    except DRIVERS_ERRORS:
        error.add_note(f"the connection was lost, so the report's run {run_id} is still RUNNING")


@contextmanager
def _explained(tables: str) -> Iterator[None]:
    """Raise PreconditionError for tables that are missing, unlike expected, or forbidden to this role."""
    try:
        yield
    except (
        asyncpg.InvalidSchemaNameError,
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedColumnError,
        asyncpg.InsufficientPrivilegeError,
    ) as error:
        raise PreconditionError(
            f"this database cannot be used for {tables}: {error}: {remedy_of(error)}"
        ) from error
