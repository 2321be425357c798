"""The record of a repair in Postgres: who, when, what and why."""

from collections.abc import Sequence

from streams.author import author
from streams.repairing.plan import DealRepair, RepairPlan, WindowRepair
from streams.resources import sql
from streams.store.database import Connection, columns

_NONE = (None, None, None)


async def begin_record(connection: Connection, plan: RepairPlan, reason: str) -> int:
    """Record a repair and its actions; return the repair's id.

    A former repair that was killed is recorded as failed.
    """
    rows: list[tuple[object, ...]] = [
        *(
            ("restate", _faults(deal.faults), deal.tenant_id, None, deal.deal_id, None, None)
            for deal in plan.deals
        ),
        *([("recount", _faults(plan.recount), *_NONE, None, None)] if plan.recount else []),
        *(("publish", _faults(each.faults), *_place(each)) for each in plan.windows),
    ]
    async with connection.transaction():
        repair_id: int = await connection.fetchval(sql("queries/repair/begin"), author(), reason)
        await connection.execute(sql("queries/repair/actions"), repair_id, *columns(rows))
    return repair_id


async def note_restated(connection: Connection, repair_id: int, deals: Sequence[DealRepair]) -> None:
    """Record that the rows of these deals are in the log."""
    await connection.execute(sql("queries/repair/restated"), repair_id, [each.deal_id for each in deals])


async def note_done(connection: Connection, repair_id: int, kind: str) -> None:
    """Record that the actions of a kind have had their effect."""
    await connection.execute(sql("queries/repair/done"), repair_id, kind)


async def end_record(connection: Connection, repair_id: int, outcome: str, message: str | None) -> None:
    """Record the outcome of the comparison after the repair, or that the repair has `failed`, and why."""
    await connection.execute(sql("queries/repair/end"), repair_id, outcome, message)


def _place(window: WindowRepair) -> tuple[object, ...]:
    return window.tenant_id, window.pipeline_id, None, window.window_name, window.window_start


def _faults(faults: frozenset[str]) -> str:
    return ",".join(sorted(faults))
