"""What workers, provers, comparisons and deliveries leave in the report database, for the page for engineers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg

from tests.integration.web.desk import DAY, NOW, Desk, name

LOCKS = {"worker": "funnelproof.epoch", "alerts": "funnelproof.alerts"}


@asynccontextmanager
async def living(dsn: str, kind: str, who: str) -> AsyncIterator[None]:
    """Have a worker, or an evaluator of alerts, live: a session that holds the lock of its kind."""
    session = await asyncpg.connect(dsn, server_settings={"application_name": f"funnelproof {kind} {who}"})
    try:
        await session.execute("select pg_advisory_lock_shared(hashtextextended($1, 0))", LOCKS[kind])
        yield
    finally:
        await session.close()


async def mark(
    desk: Desk, *, age: float = 0.5, emitted: bool = True, needed: Mapping[int, int] | None = None
) -> None:
    """Have a prover send a marker so many seconds ago; with `needed` the marker came, and named the log's ends."""
    await desk.connection.execute(
        """insert into funnelproof.marker (purpose, intended_at, emitted_lsn, seen_at, needed)
        values ('close', clock_timestamp() - make_interval(secs => $1), case when $2 then '0/1000'::pg_lsn end,
        case when $3::jsonb is not null then clock_timestamp() - make_interval(secs => $1) end, $3)""",
        age, emitted, None if needed is None else json.dumps(needed),
    )  # fmt: skip


async def doubt(desk: Desk, kind: str, reason: str, age: float = 300) -> None:
    await desk.connection.execute(
        """insert into funnelproof.doubt (kind, reason, topic_id, noted_at)
        values ($1, $2, 'id', clock_timestamp() - make_interval(secs => $3))""",
        kind, reason, age,
    )  # fmt: skip


async def letter(desk: Desk, reason: str, offset: int, age: float = 3600, partition: int = 0) -> None:
    await desk.connection.execute(
        """insert into funnelproof.dead_letter (topic_id, partition, source_offset, reason, recorded_at)
        values ('id', $1, $2, $3, clock_timestamp() - make_interval(secs => $4))""",
        partition, offset, reason, age,
    )  # fmt: skip


async def compare(desk: Desk, start: datetime, outcome: str = "equal", age: float = 780) -> None:
    """Have a day compared; a day that differs has been known to differ for two hours."""
    await desk.connection.execute(
        """insert into funnelproof.window_comparison
        (window_name, window_start, window_end, compared_at, outcome, reconciliation_id, different_since)
        values ('day', $1, $2, clock_timestamp() - make_interval(secs => $3), $4, 1,
        case when $4 = 'different' then clock_timestamp() - interval '2 hours' end)""",
        start, start + DAY, age, outcome,
    )  # fmt: skip


async def deliver(
    desk: Desk, receiver: str, *, age: float, error: str | None = None, given_up: bool = False
) -> None:
    """Have the alert of `Desk.fire` wait for a receiver, or be given up."""
    event = await desk.connection.fetchval("select event_id from funnelproof.alert_event limit 1")
    await desk.connection.execute(
        """insert into funnelproof.alert_delivery
        (event_id, receiver, event_number, alert_id, enqueued_at, attempts, last_error, given_up_at)
        values ($1, $2, 1, $3, clock_timestamp() - make_interval(secs => $4), 3, $5,
        case when $6 then clock_timestamp() end)""",
        event, receiver, name("alert"), age, error, given_up,
    )  # fmt: skip


async def at_the_present(desk: Desk) -> None:
    """Have the open windows hold the present of the prover's clock, which stands still at NOW: nothing is overdue."""
    await desk.connection.execute("update funnelproof.prover set source_time = $1", NOW)


async def overdue_hour(desk: Desk) -> None:
    """Have an hour that ended an hour before NOW still be open."""
    hour = NOW.replace(minute=0, second=0)
    await desk.open_window("hour", hour - timedelta(hours=1), hour)
