"""The repair of differences, as `funnelproof reconcile --repair` shows it."""

import asyncio
import sys

from streams.cli.output import ask, stderr, stdout
from streams.cli.progress import telling
from streams.cli.reconcile import print_result, result_as_json
from streams.explaining import Explanation
from streams.reconciliation import ReconcileResult
from streams.repairing.plan import RepairPlan, plan_repair
from streams.repairing.repair import Repaired, repair
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope

_SHOWN = 20
"""The most deals, and the most windows, that are listed."""
_STEPS = {
    "restate": "puts the present rows of the deals into the log",
    "recount": "has the workers compare their counts with Postgres",
    "count": "waits until everything is counted",
    "publish": "waits for the next revisions",
    "compare": "compares again",
}


def repaired(
    settings: Settings, scope: ClosedScope, explanation: Explanation, reason: str, *, yes: bool, as_json: bool
) -> tuple[RepairPlan, Repaired | None]:
    """Show what a repair would do, ask, and do the repair; without a terminal and without `yes` nothing is done.

    Raises typer.Abort for a no; UnreachableError and PreconditionError as `repair`.
    """
    plan = plan_repair(explanation.findings)
    if not as_json:
        for line in _lines(plan):
            stderr.print(line, markup=False, highlight=False, soft_wrap=True)
    if not plan:
        return plan, None
    if not yes and not sys.stdin.isatty():
        stderr.print("nothing was changed: give --yes to repair")
        return plan, None
    ask("Repair?", yes=yes, otherwise="give --yes to repair")
    with telling("repairs") as tell:

        def show(step: str, done: int, total: int) -> None:
            tell(_STEPS[step], done=done, total=total or None)

        done = asyncio.run(repair(settings, plan, scope, reason, show))
    if not as_json:
        for line in done.refused:
            stderr.print(line, markup=False, highlight=False, soft_wrap=True)
        stdout.print(f"repair {done.repair_id} is done")
        print_result(done.result)
    return plan, done


def repair_as_json(plan: RepairPlan, done: Repaired | None) -> dict[str, object]:
    """Return the plan and the outcome as `--json` prints both."""
    return {
        "plan": {
            "restate": [{"deal_id": each.deal_id, "faults": sorted(each.faults)} for each in plan.deals],
            "recount": sorted(plan.recount),
            "publish": [
                {
                    "tenant_id": each.tenant_id,
                    "pipeline_id": each.pipeline_id,
                    "window": each.window_name,
                    "window_start": each.window_start,
                    "faults": sorted(each.faults),
                }
                for each in plan.windows
            ],
            "left": [{"fault": finding.fault.value, "why": why} for finding, why in plan.left],
        },
        "done": None if done is None else _done_as_json(done),
    }


def _done_as_json(done: Repaired) -> dict[str, object]:
    return {"repair_id": done.repair_id, "refused": list(done.refused)} | result_as_json(done.result)


def outcome_after(result: ReconcileResult, done: Repaired | None) -> str:
    """Return the outcome that decides the exit status: of the comparison after the repair, if there was a repair."""
    return result.outcome if done is None else done.result.outcome


def _lines(plan: RepairPlan) -> list[str]:
    deals = [f"will restate the rows of deal {each.deal_id}: {_words(each.faults)}" for each in plan.deals]
    windows = [
        f"will publish {each.window_name} {each.window_start.isoformat()} of pipeline {each.pipeline_id} anew: "
        f"{_words(each.faults)}"
        for each in plan.windows
    ]
    left = [f"will not mend {_words(frozenset((finding.fault,)))}: {why}" for finding, why in plan.left]
    recount = [f"will have all counts compared: {_words(plan.recount)}"] if plan.recount else []
    return [*_first(deals), *recount, *_first(windows), *dict.fromkeys(left)]


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"... and {more} more"]


def _words(faults: frozenset[str]) -> str:
    return ", ".join(sorted(fault.replace("_", " ") for fault in faults))
