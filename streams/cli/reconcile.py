"""`funnelproof reconcile`."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.instants import parse_instant
from streams.cli.narrowing import OnlyPipeline, OnlyTenant, OnlyWindow
from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.cli.progress import telling
from streams.cli.reconcile_job import run_job
from streams.cli.web_site import GivenWebHost, GivenWebPort
from streams.errors import FunnelproofError
from streams.listening import HOST
from streams.operations.living import with_workers
from streams.reconciliation import Difference, ReconcileResult
from streams.reconciliation import reconcile as compare
from streams.reconciliation.result import counts_told
from streams.settings import Settings, load_settings
from streams.store.closed_scope import ClosedScope

if TYPE_CHECKING:
    from streams.explaining import Explanation

EXIT = {"equal": 0, "different": 1, "undecided": 2}


def reconcile(
    tenant: OnlyTenant = None,
    pipeline: OnlyPipeline = None,
    window: OnlyWindow = None,
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
    explain: Annotated[
        bool, typer.Option("--explain", help="Trace each differing pair to its deals, rows and events.")
    ] = False,
    explain_limit: Annotated[
        int, typer.Option(min=1, help="The most differing pairs that are explained.")
    ] = 100,
    repair: Annotated[
        bool, typer.Option("--repair", help="Explain, show what mends the differences, and ask to mend them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --repair: do not ask.")] = False,
    reason: Annotated[
        str, typer.Option(help="With --repair: why, for the record of repairs.")
    ] = "a reconciliation was different",
    web_port: GivenWebPort = None,
    web_host: GivenWebHost = None,
    as_json: AsJson = False,
) -> None:
    """Rerun the canonical SQL for closed windows, and compare the results with the facts, exact to the count.

    Exit status: 0 equal, 1 different, 2 could not tell; after a repair, of the comparison after the repair.

    With --every the command does not end by itself: a window is compared soon after the window closes, after a day,
    after each revision, and once a week. One process compares; further processes stand by. Only with --every the
    command has a web site.

    Example: `funnelproof reconcile --window hour --from 2026-11-23T00:00:00Z`
    """
    settings = load_settings()
    if every is not None:
        if (
            as_json
            or explain
            or repair
            or any(each is not None for each in (tenant, pipeline, window, start, end))
        ):
            raise typer.BadParameter("--every compares all windows: leave the other options out")
        run_job(settings, every, web_host or HOST, web_port or 0)
        return
    if web_port is not None or web_host is not None:
        raise typer.BadParameter("--web-port and --web-host belong to --every: only the job has a web site")
    scope = ClosedScope(
        tenant,
        pipeline,
        window,
        parse_instant(start, "--from", settings.timezone) if start else None,
        parse_instant(end, "--to", settings.timezone) if end else None,
    )
    with telling("compares runs") as tell:
        began = time.monotonic()

        def show(compared: int, expected: int) -> None:
            rate = f"{compared / max(time.monotonic() - began, 0.001):,.0f}/s"
            tell(done=compared, total=max(compared, expected), rate=rate)

        result = asyncio.run(with_workers(settings, lambda: compare(settings, scope, on_progress=show)))
    if not as_json:
        print_result(result)
    told: dict[str, object] = {}
    outcome: str = result.outcome
    if (explain or repair) and result.differences:
        explanation, told = _explain(settings, result, explain_limit, as_json=as_json)
        if repair and explanation is not None:
            # Only a repair waits for the import of the fold.
            from streams.cli.repairing import outcome_after, repair_as_json, repaired  # noqa: PLC0415 - see above

            plan, done = repaired(settings, scope, explanation, reason, yes=yes, as_json=as_json)
            told["repair"] = repair_as_json(plan, done)
            outcome = outcome_after(result, done)
    if as_json:
        print_json(result_as_json(result) | told)
    raise typer.Exit(EXIT[outcome])


def _explain(
    settings: Settings, result: ReconcileResult, pairs: int, *, as_json: bool
) -> tuple["Explanation | None", dict[str, object]]:
    """Explain the differences; return also what `--json` prints. A failure leaves the comparison's result as it is."""
    # Only an explanation waits for the import of numpy.
    from streams.cli.explanation import (  # noqa: PLC0415 - see above
        explained,
        explanation_as_json,
        print_explanation,
    )

    try:
        found = explained(settings, result, pairs)
    except FunnelproofError as error:
        stderr.print(f"the differences are not explained: {error}", markup=False, soft_wrap=True)
        return None, {"explanation": None}
    if not as_json:
        print_explanation(found)
    return found, {"explanation": explanation_as_json(found)}


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


def print_result(result: ReconcileResult) -> None:
    """Print the numbers, each difference, and what could not be compared."""
    stdout.print(f"compared {result.runs} runs, {result.pairs} pairs: {result.outcome}")
    for each in result.differences:
        run = each.run
        stdout.print(
            f"tenant {run.tenant_id}, pipeline {run.pipeline_id}, "
            f"window {run.window_name} {run.window_start.isoformat()}, revision {run.revision}\n"
            f"  {run.name_of(each.pair[0])} -> {run.name_of(each.pair[1])}: "
            f"facts say {counts_told(each.fact)}; SQL says {counts_told(each.sql)}",
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
