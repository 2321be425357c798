"""`funnelproof rebuild`: begins the log anew, has everything counted anew, and compares."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated

import typer

from streams.cli.output import AsJson, ask, print_json, stderr, stdout
from streams.cli.progress import Tell, run_telling, telling
from streams.cli.reconcile import EXIT, result_as_json
from streams.domain.duration import parse_duration
from streams.operations.rebuild import Progress, plan_rebuild
from streams.operations.rebuild import rebuild as begin_anew
from streams.settings import load_settings


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps, and change nothing.")] = False,
    wait: Annotated[
        str, typer.Option(help="How long to wait for a worker while no worker lives, as 90s or 10m.")
    ] = "10m",
    as_json: AsJson = False,
) -> None:
    """Begin the log anew from a snapshot of the CRM, have everything counted anew, and compare.

    For doubts where `status` says so. Checks every right first, and asks. Workers that run end by themselves, and are
    to be started again, as a service manager does. Closed windows keep their facts until the new log is proven. A
    rebuild that was interrupted goes on with the next call.

    Exit status: 0 all closed windows are equal to the canonical SQL, 1 some differ, 2 could not tell.

    Example: `funnelproof rebuild --yes`
    """
    try:
        no_worker_seconds = parse_duration(wait).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(f"--wait: {error}") from error
    settings = load_settings()
    plan = run_telling("checks every right", plan_rebuild(settings))
    for line in plan.lines:
        stderr.print(
            f"will {line}" if not line.startswith("worker") else line,
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if dry_run:
        if as_json:
            print_json({"dry_run": True, "steps": plan.lines})
        return
    ask(
        f"Begin the log of the installation {settings.instance} anew?",
        yes=yes,
        otherwise="give --yes to begin the log anew",
    )
    began = time.monotonic()
    with telling("begins anew") as tell:
        result = asyncio.run(begin_anew(settings, _as_told(tell), no_worker_seconds))
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        print_json(result_as_json(result) | {"seconds": seconds})
    else:
        stdout.print(
            f"rebuilt in {seconds:.0f} s: compared {result.runs} runs, {result.pairs} pairs: {result.outcome}"
        )
        if result.outcome == "different":
            stdout.print("`funnelproof reconcile` lists the differences", highlight=False)
        if result.reason:
            stderr.print(result.reason, markup=False, soft_wrap=True)
    raise typer.Exit(EXIT[result.outcome])


def _as_told(tell: Tell) -> Callable[[Progress], None]:
    """Return the way of a rebuild's progress to a person."""

    def told(progress: Progress) -> None:
        tell(progress.step, done=progress.done, total=progress.total or None, note=progress.note)

    return told
