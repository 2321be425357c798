"""The answers of an installation's servers, asked separately: a silent server hides no answer."""

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from streams.alerts.overview import Overview, read_overview, receiver_names
from streams.cdc.topics import Topics
from streams.completeness.source import read_source
from streams.domain.plan import WindowPlan
from streams.domain.proof import OpenTransaction
from streams.errors import PreconditionError
from streams.operations.failures import explain
from streams.reconciliation.ledger import read_ledger
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import facts_connection, source_connection
from streams.store.doubts import GRANT, Doubt, unresolved_doubts
from streams.store.held_epoch import living_workers
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan

SERVER_SECONDS = 20.0
"""The most seconds that a server is given to answer all questions."""
_JSON = ("partitions", "sealed", "open_transactions")

T = TypeVar("T")


class NotInstalledError(PreconditionError):
    """The report database belongs to no installation, or to another one: there is no status to tell."""


@dataclass(frozen=True)
class ReportAnswer:
    """The report database: a row of `status_facts`, sessions of living workers, doubts, closed windows, alerts."""

    facts: dict[str, Any]
    living: Sequence[str]
    doubts: Sequence[Doubt]
    closed_until: Mapping[str, datetime]
    plan: WindowPlan
    alerts: Overview


@dataclass(frozen=True)
class SourceAnswer:
    """The CRM's database: clock, writers, the connector's slot (None: missing), and doubts about privileges."""

    now: datetime
    writers: Sequence[OpenTransaction]
    slot: dict[str, Any] | None
    doubts: Sequence[Doubt]


@dataclass(frozen=True)
class LogAnswer:
    """Kafka: each partition's end, and the end that a worker can read; both empty without the topic.

    A worker cannot read past the first open transaction.
    """

    has_topic: bool
    ends: Mapping[int, int]
    readable: Mapping[int, int]


async def answer_of(server: str, question: Awaitable[T], seconds: float = SERVER_SECONDS) -> T | str:
    """Return the answer, or the line that says why `server` gives none. Raises NotInstalledError."""
    try:
        async with asyncio.timeout(seconds):
            return await question
    except NotInstalledError:
        raise
    except TimeoutError:
        return f"{server} does not answer within {seconds:.0f} s: is it running?"
    except Exception as error:  # noqa: BLE001 - whatever it is, the other servers are still asked
        return explain(error)


async def ask_report(settings: Settings) -> ReportAnswer:
    """Ask the report database. Raises NotInstalledError before `migrate`."""
    async with facts_connection(settings) as facts_db:
        try:
            await require_installation(facts_db, settings.instance)
        except PreconditionError as error:
            raise NotInstalledError(str(error)) from error
        row = await facts_db.fetchrow(sql("queries/operations/status_facts"))
        assert row is not None  # noqa: S101 - required above
        facts = {key: json.loads(value) if key in _JSON and value else value for key, value in row.items()}
        last = await facts_db.fetchrow(sql("queries/operations/last_reconciliation"))
        facts["last_reconciliation"] = None if last is None else dict(last)
        facts["comparisons"] = asdict(await read_ledger(facts_db))
        closed = await facts_db.fetch(sql("queries/publish/closed_until"), list(settings.windows))
        return ReportAnswer(
            facts,
            await living_workers(facts_db),
            await unresolved_doubts(facts_db),
            {row["window_name"]: row["closed_until"] for row in closed},
            await recorded_plan(facts_db, settings.windows),
            await read_overview(facts_db, receiver_names(settings.alert_rules, settings.windows)),
        )


async def ask_progress(settings: Settings) -> dict[int, int]:
    """Return the position of each folded partition."""
    async with facts_connection(settings) as facts_db:
        rows = await facts_db.fetch(sql("queries/completeness/progress"))
    return {row["partition"]: row["source_offset"] for row in rows}


async def ask_source(settings: Settings) -> SourceAnswer:
    """Ask the CRM's database."""
    async with source_connection(settings) as source:
        now, writers = await read_source(source)
        slot = await source.fetchrow(sql("queries/operations/status_slot"), settings.instance)
        privileges = await source.fetchrow(sql("queries/operations/status_privileges"))
    lacks = privileges is not None and not all(privileges)
    doubts = [Doubt("privilege", "the role may not emit markers and read stages", GRANT)] if lacks else []
    return SourceAnswer(now, list(writers.values()), None if slot is None else dict(slot), doubts)


async def ask_log(settings: Settings) -> LogAnswer:
    """Ask Kafka."""
    topics = Topics(settings.brokers)
    topic = await topics.describe(settings.data_topic)
    if topic is None:
        return LogAnswer(has_topic=False, ends={}, readable={})
    partitions = range(topic.partitions)
    return LogAnswer(
        has_topic=True,
        ends=await topics.ends(topic.name, partitions, committed=False),
        readable=await topics.ends(topic.name, partitions, committed=True),
    )
