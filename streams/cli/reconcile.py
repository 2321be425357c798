"""`funnelproof reconcile`."""

import asyncio
import time
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from streams.cli.ending import until_told_to_end
from streams.cli.instants import parse_instant
from streams.cli.output import AsJson, print_json, progress_bar, stderr, stdout
from streams.domain.duration import parse_duration
from streams.logs import configure_logging
from streams.operations.living import with_workers
from streams.reconciliation import Difference, Job, ReconcileResult
from streams.reconciliation import reconcile as compare
from streams.settings import Settings, load_settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import facts_connection
from streams.store.installation import require_installation

_SHORTEST = timedelta(seconds=5)
EXIT = {"equal": 0, "different": 1, "undecided": 2}


def reconcile(
    tenant: Annotated[UUID | None, typer.Option(help="Only this tenant.")] = None,
    pipeline: Annotated[UUID | None, typer.Option(help="Only this pipeline.")] = None,
    window: Annotated[str | None, typer.Option(help="Only this window kind, as hour or 15s.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Only windows that start at or after this instant.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Only windows that end at or before this instant.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(help="Compare what is due, so often (as 15m), until SIGTERM or SIGINT."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rerun the canonical SQL for closed windows, and compare the results with the facts, exact to the count.

    Exit status: 0 equal, 1 different, 2 could not tell. With --every the command does not end by itself: a window is
    compared soon after the window closes, after a day, after each revision, and once a week. One process compares;
    further processes stand by.

    Example: `funnelproof reconcile --window hour --from 2026-11-23T00:00:00Z`
    """
    settings = load_settings()
    if every is not None:
        if as_json or any(each is not None for each in (tenant, pipeline, window, start, end)):
            raise typer.BadParameter("--every compares all windows: leave the other options out")
        _run_job(settings, every)
        return
    scope = ClosedScope(
        tenant,
        pipeline,
        window,
        parse_instant(start, "--from", settings.timezone) if start else None,
        parse_instant(end, "--to", settings.timezone) if end else None,
    )
    with progress_bar("runs", as_json=as_json) as progress:
        bar = progress.add_task("runs", total=None, rate="")

        began = time.monotonic()

        def show(compared: int, expected: int) -> None:
            rate = f"{compared / max(time.monotonic() - began, 0.001):,.0f}/s"
            progress.update(bar, total=max(compared, expected), completed=compared, rate=rate)

        result = asyncio.run(with_workers(settings, lambda: compare(settings, scope, on_progress=show)))
    if as_json:
        print_json(result_as_json(result))
    else:
        _print(result)
    raise typer.Exit(EXIT[result.outcome])


def check_every(every: str) -> timedelta:
    """Return the interval that `--every` names. Raises BadParameter for no interval, and for a too short one."""
    try:
        length = parse_duration(every)
    except ValueError as error:
        raise typer.BadParameter(f"--every: {error}") from error
    if length < _SHORTEST:
        raise typer.BadParameter(f"--every: at least {_SHORTEST.total_seconds():.0f}s")
    return length


def _run_job(settings: Settings, every: str) -> None:
    length = check_every(every)
    asyncio.run(_check(settings))
    configure_logging(settings.log_format, settings.log_level)
    until_told_to_end(Job(settings, length).run())


async def _check(settings: Settings) -> None:
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)


def result_as_json(result: ReconcileResult) -> dict[str, object]:
    """Return the result as `--json` prints it."""
    return {
        "outcome": result.outcome,
        "runs": result.runs,
        "pairs": result.pairs,
        "differences": [_difference_as_json(difference) for difference in result.differences],
        "undecided": [
            {
                "tenant_id": run.tenant_id,
                "pipeline_id": run.pipeline_id,
                "window": run.window_name,
                "window_start": run.window_start,
            }
            for run in result.undecided
        ],
        "reason": result.reason,
    }


def _difference_as_json(difference: Difference) -> dict[str, object]:
    run = difference.run
    return {
        "tenant_id": run.tenant_id,
        "pipeline_id": run.pipeline_id,
        "window": run.window_name,
        "window_start": run.window_start,
        "window_end": run.window_end,
        "revision": run.revision,
        "run_id": run.run_id,
        "from_stage_id": difference.pair[0],
        "to_stage_id": difference.pair[1],
        "fact": difference.fact and dict(zip(("entered", "converted"), difference.fact, strict=True)),
        "sql": difference.sql and dict(zip(("entered", "converted"), difference.sql, strict=True)),
    }


def _print(result: ReconcileResult) -> None:
    stdout.print(f"compared {result.runs} runs, {result.pairs} pairs: {result.outcome}")
    for each in result.differences:
        run = each.run
        stdout.print(
            f"tenant {run.tenant_id}, pipeline {run.pipeline_id}, "
            f"window {run.window_name} {run.window_start.isoformat()}, revision {run.revision}\n"
            f"  {run.name_of(each.pair[0])} -> {run.name_of(each.pair[1])}: "
            f"facts say {_said(each.fact)}; SQL says {_said(each.sql)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if result.undecided:
        stderr.print(
            f"{len(result.undecided)} runs changed all the time and could not be compared: try again later"
        )
    if result.reason:
        stderr.print(result.reason, markup=False, soft_wrap=True)


def _said(counts: tuple[int, int] | None) -> str:
    return "nothing" if counts is None else f"{counts[0]} entered, {counts[1]} converted"
