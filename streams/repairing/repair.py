"""A repair: restate rows in the log, have the counts compared, publish the windows anew, and compare again.

Every step may be killed, and done again by the next repair: restatements go into the log in transactions and never
replace a newer state, a recount writes what differs, and a window is published by the workers' closer, in the closer's
transaction. While a repair is at work, the closer leaves the repair's windows alone for at most `steps.HOLD`, so that a
window gets a single revision.
"""

from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from streams.errors import PreconditionError
from streams.reconciliation import ReconcileResult, reconcile
from streams.repairing.plan import RepairPlan
from streams.repairing.record import begin_record, end_record
from streams.repairing.restating import restating
from streams.repairing.steps import OnStep, Steps
from streams.resources import sql
from streams.settings import Settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, facts_connection
from streams.store.held_epoch import require_living_worker
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan


@dataclass(frozen=True)
class Repaired:
    """The repair's id, the comparison after the repair, and a sentence for each row that cannot be counted."""

    repair_id: int
    result: ReconcileResult
    refused: tuple[str, ...] = ()


async def repair(
    settings: Settings,
    plan: RepairPlan,
    scope: ClosedScope,
    reason: str,
    on_step: OnStep = lambda *_: None,
) -> Repaired:
    """Do what `plan` says, record the repair with its `reason`, and compare the windows in `scope` again.

    Raises UnreachableError, and PreconditionError if no worker lives, if another repair is at work, if the log is in
    doubt, or if the workers make no progress. A repair that has failed is begun anew by the next call.
    """
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        await require_living_worker(facts)
        if not await facts.fetchval(sql("queries/repair/lock")):
            raise PreconditionError("another repair is at work: wait for its end")
        await _require_no_doubt(facts)
        windows = await recorded_plan(facts, settings.windows)
        repair_id = await begin_record(facts, plan, reason)
        try:
            async with restating(settings, "repair") as sender:
                steps = Steps(settings.partitions, windows, repair_id, facts, sender, on_step)
                refused = await steps.run(plan)
            on_step("compare", 0, 0)
            result = await reconcile(
                settings, scope, on_progress=lambda done, total: on_step("compare", done, total)
            )
        except BaseException as error:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await end_record(facts, repair_id, "failed", str(error) or type(error).__name__)
            raise
        await end_record(facts, repair_id, result.outcome, result.reason)
        return Repaired(repair_id, result, refused)


async def _require_no_doubt(facts: Connection) -> None:
    reasons = [row["reason"] for row in await facts.fetch(sql("queries/repair/in_doubt"))]
    if reasons:
        raise PreconditionError(
            f"the log is in doubt ({'; '.join(reasons)}), so no closed window is revised: run `funnelproof rebuild`"
        )
