"""`funnelproof report`: the canonical report of a pipeline in a period."""

import json
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import typer
from rich.table import Table
from rich.text import Text

from streams.cli.completing import pipeline_ids, tenant_ids
from streams.cli.instants import parse_instant
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling
from streams.errors import ReportError
from streams.report.report import Report, run_report
from streams.report.request import Request, make_request
from streams.settings import Settings, load_settings
from streams.store.database import facts_connection, source_connection

_INSTANT = "ISO 8601; without an offset, in the timezone of the settings"

Tenant = Annotated[UUID, typer.Option("--tenant", help="The tenant.", autocompletion=tenant_ids)]
Pipeline = Annotated[
    UUID, typer.Option("--pipeline", help="The tenant's pipeline.", autocompletion=pipeline_ids)
]
From = Annotated[
    str, typer.Option("--from", metavar="INSTANT", help=f"First instant of the period: {_INSTANT}.")
]
To = Annotated[
    str, typer.Option("--to", metavar="INSTANT", help=f"End of the period, not part of it: {_INSTANT}.")
]
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="JSON",
        help='`[{"from_stage_id": "...", "to_stage_id": "..."}]`. Default: each stage and the next.',
    ),
]


def report(
    tenant: Tenant, pipeline: Pipeline, start: From, end: To, pairs: Pairs = None, as_json: AsJson = False
) -> None:
    """Run the canonical report: the deals that entered each stage in a period, and the deals that converted.

    Keeps the run and the run's facts in the database of the facts.

    Example: `funnelproof report --tenant $TENANT --pipeline $PIPELINE --from 2026-03-01 --to 2026-04-01`
    """
    settings = load_settings()
    zone = ZoneInfo(settings.timezone)
    request = make_request(
        tenant,
        pipeline,
        parse_instant(start, "--from", settings.timezone),
        parse_instant(end, "--to", settings.timezone),
        _json(pairs),
    )
    result = run_telling("runs the report", _report(settings, request))
    if as_json:
        print_json(_plain(request, result))
    else:
        stdout.print(_table(request, result, zone))
        stdout.print(f"run {result.run_id}", highlight=False, soft_wrap=True)


async def _report(settings: Settings, request: Request) -> Report:
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(source_connection(settings))
        if settings.facts_dsn == settings.source_dsn:
            return await run_report(source, source, request)
        facts = await stack.enter_async_context(facts_connection(settings))
        return await run_report(source, facts, request)


def _plain(request: Request, result: Report) -> dict[str, object]:
    return {
        "run_id": result.run_id,
        "tenant_id": request.tenant_id,
        "pipeline_id": request.pipeline_id,
        "period_start": request.period_start,
        "period_end": request.period_end,
        "conversions": [
            asdict(fact) | {"conversion_rate": float(fact.conversion_rate)} for fact in result.conversions
        ],
    }


def _table(request: Request, result: Report, zone: ZoneInfo) -> Table:
    period = (
        f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S%z}"
        for instant in (request.period_start, request.period_end)
    )
    table = Table(title=" to ".join(period), title_justify="left")
    table.add_column("From")
    table.add_column("To")
    for heading in ("Entered", "Converted", "Rate"):
        table.add_column(heading, justify="right")
    for fact in result.conversions:
        table.add_row(
            Text(fact.from_stage or str(fact.from_stage_id)),
            Text(fact.to_stage or str(fact.to_stage_id)),
            f"{fact.entered_count:,}",
            f"{fact.converted_count:,}",
            f"{fact.conversion_rate:.2%}",
        )
    return table


def _json(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise ReportError(f"--pairs is not JSON ({error})") from None
