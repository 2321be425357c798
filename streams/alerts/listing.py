"""The present: alerts, silences, spent budgets, and the evaluator behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Connection, facts_connection
from streams.store.installation import require_installation


@dataclass(frozen=True)
class EvaluatorReading:
    """The last look of the last evaluator; `is_active`: its process lives. `age` in seconds."""

    evaluator: str
    is_active: bool
    looked_at: datetime
    age: float
    proven_until: datetime | None
    held: str | None
    held_since: datetime | None
    broken_rules: Sequence[str]
    broken_since: datetime | None


@dataclass(frozen=True)
class Listing:
    """Alerts as rows of `dyno_crm.stage_conversion_alert`, silences, and the alerts fired in 30 days by rule."""

    evaluator: EvaluatorReading | None
    alerts: Sequence[Mapping[str, object]]
    silences: Sequence[Mapping[str, object]]
    spent: Mapping[str, tuple[int, int]]


async def read_evaluator(report: Connection) -> EvaluatorReading | None:
    """Return the last look of the last evaluator; None before the first."""
    row = await report.fetchrow(sql("queries/alerts/term"))
    return None if row is None else EvaluatorReading(**row)


async def read_listing(settings: Settings) -> Listing:
    """Return what is on now. Raises PreconditionError if the report database is not set up."""
    async with facts_connection(settings) as report:
        await require_installation(report, settings.instance)
        return Listing(
            await read_evaluator(report),
            [dict(row) for row in await report.fetch(sql("queries/alerts/alerts_on"))],
            [dict(row) for row in await report.fetch(sql("queries/alerts/silences"))],
            {
                row["rule"]: (row["times"], row["most_in_a_pipeline"])
                for row in await report.fetch(sql("queries/alerts/spent"))
            },
        )


async def add_silence(
    settings: Settings,
    rule: str | None,
    tenant: UUID | None,
    pipeline: UUID | None,
    length: timedelta,
    reason: str,
    author: str,
) -> asyncpg.Record:
    """Add a silence that begins now; return `silence_id`, `starts_at` and `ends_at`. None stands for every one."""
    async with facts_connection(settings) as report:
        await require_installation(report, settings.instance)
        row = await report.fetchrow(
            sql("queries/alerts/silence_add"),
            rule,
            tenant,
            pipeline,
            length.total_seconds(),
            reason,
            author,
        )
    if row is None:
        raise PreconditionError("the silence was not added: try again")
    return row


async def end_silence(settings: Settings, silence: int) -> None:
    """End a silence now. Raises PreconditionError if there is no such silence, or the silence has ended."""
    async with facts_connection(settings) as report:
        await require_installation(report, settings.instance)
        if await report.fetchval(sql("queries/alerts/silence_end"), silence) is None:
            raise PreconditionError(
                f"no silence {silence} holds: `funnelproof alerts list` shows the silences"
            )
