"""Findings and repairs in the report database, written by what writes them in an installation."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from streams.explaining import ConcernedRow, Fault, Finding, Witnesses
from streams.explaining.recording import record
from streams.reconciliation import ClosedRun
from streams.repairing.plan import plan_repair
from streams.repairing.record import begin_record, end_record, note_done
from tests.integration.web.desk import DAY, Desk, name

Counts = tuple[int, int]


def finding(
    scope: tuple[UUID, UUID],
    start: datetime,
    fault: Fault,
    sentence: str,
    *,
    place: int = 0,
    deal: UUID | None = None,
    counts: Sequence[Counts | None] = (None, None, None, None),
    revision: int = 1,
) -> Finding:
    """A finding of a day of `Desk.close`, in the pair of stages at `place`; with a deal there is a row of the deal.

    `counts` are those of the CRM, the log, the workers and the result.
    """
    tenant, pipeline = scope
    run_id = name(tenant, pipeline, "day", start, revision)
    run = ClosedRun(
        run_id, tenant, pipeline, "day", start, start + DAY, revision, (), {}, {}, 1, pending=False
    )
    rows = (
        ()
        if deal is None
        else (ConcernedRow(name(deal, "row"), key_of(deal), 0, 0, 0x16B3748, in_source=True),)
    )
    return Finding(
        fault, run, name(pipeline, place), name(pipeline, place + 1), Witnesses(*counts), sentence, deal, rows
    )


def key_of(deal: UUID) -> bytes:
    """The key of the deal's row in the log."""
    return f'{{"deal_id":"{deal}","id":"{name(deal, "row")}"}}'.encode()


async def find(dsn: str, findings: Sequence[Finding]) -> None:
    """Have an explanation write findings."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await record(pool, {each.run.key for each in findings}, findings)


async def resolve(desk: Desk) -> None:
    """Have every finding be resolved, as after an equal comparison."""
    await desk.connection.execute("update funnelproof.finding set resolved_at = clock_timestamp()")


async def mend(
    desk: Desk,
    findings: Sequence[Finding],
    reason: str = "the numbers of Monday are needed",
    outcome: str | None = "equal",
    message: str | None = None,
) -> int:
    """Have a repair of findings be recorded; None as the outcome: the repair is at work, and has done nothing yet."""
    repair_id = await begin_record(desk.connection, plan_repair(findings), reason)
    if outcome is not None:
        for kind in ("restate", "recount", "publish"):
            await note_done(desk.connection, repair_id, kind)
        await end_record(desk.connection, repair_id, outcome, message)
    return repair_id
