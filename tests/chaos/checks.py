"""What must hold when writes have stopped: every count is the definition's, and every revision makes sense."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.domain.windows import WindowKind, from_microseconds, to_microseconds
from streams.store.database import OwnConnection
from tests.chaos.stage import FOLDING
from tests.chaos.told import compare_events, compare_revisions, read_runs
from tests.integration.published import published
from tests.integration.stream import counts
from tests.integration.stream.installation import Installation

ROWS = """
select tenant_id, pipeline_id, deal_id, pipeline_stage_id, entered_at
from dyno_crm.deal_pipeline_stage_state
"""
PARTIALS = """
select
    partial.tenant_id, partial.pipeline_id, partial.window_name, partial.window_start,
    partial.from_stage_id, partial.to_stage_id, sum(partial.deals)::bigint as deals
from funnelproof.partial
inner join funnelproof.installation using (epoch)
group by 1, 2, 3, 4, 5, 6
having sum(partial.deals) <> 0
"""
# Each gives what is wrong; nothing, where all is well.
WRONG = {
    "a revision is missing or double": """
        select tenant_id, pipeline_id, window_name, window_start, array_agg(revision order by revision)
        from funnelproof.window_run group by 1, 2, 3, 4
        having max(revision) <> count(*) or count(distinct revision) <> count(*)
    """,
    "a revision says what the one before it said": """
        select run.run_id, run.revision from funnelproof.window_run as run
        where run.revision > 1 and not exists (
            select from dyno_crm.stage_conversion_revisions as changed where changed.run_id = run.run_id
        )
    """,
    "a run has no completed header, or no facts": """
        select run.run_id, header.status from funnelproof.window_run as run
        left join dyno_crm.report_run as header on header.id = run.run_id
        where header.status is distinct from 'COMPLETED' or not exists (
            select from dyno_crm.report_stage_conversion_fact as fact where fact.run_id = run.run_id
        )
    """,
    "a header has no run": """
        select header.id from dyno_crm.report_run as header
        where header.parameters ->> 'origin' = 'stream'
        and not exists (select from funnelproof.window_run as run where run.run_id = header.id)
    """,
    "a window was closed before its end": """
        select run.run_id, run.window_end, proof.source_time from funnelproof.window_run as run
        inner join funnelproof.proof using (proof_id)
        inner join dyno_crm.report_run as header on header.id = run.run_id
        where least(proof.source_time, header.generated_at) < run.window_end
    """,
    "a run has no profile, or one of other counts": """
        select fact.run_id, fact.from_stage_id, fact.entered_count, profile.entered_count
        from funnelproof.window_run
        inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
        left join funnelproof.present_profile as profile using (run_id, from_stage_id, to_stage_id)
        where coalesce(profile.entered_count, 0) <> fact.entered_count
        or coalesce(profile.converted_count, 0) <> fact.converted_count
    """,
    "a closed window has no run": """
        select closed.window_name, closed.window_start, count(run.run_id) from funnelproof.time_window as closed
        left join funnelproof.window_run as run
            on run.window_name = closed.window_name and run.window_start = closed.window_start and run.revision = 1
        where closed.closed_at is not null group by 1, 2
        having count(run.run_id) < (select count(distinct pipeline_id) from dyno_crm.pipeline_stage)
    """,
    "windows were passed over": """
        select * from (
            select window_name, window_start, lag(window_end) over (
                partition by window_name order by window_start
            ) as previous_end
            from funnelproof.time_window where closed_at is not null
        ) as closed where previous_end <> window_start
    """,
    "a window that is due is open": """
        select due.window_name, due.window_start
        from funnelproof.time_window as due, funnelproof.installation, funnelproof.prover
        where due.closed_at is null and due.window_end > installed_at and due.window_end <= source_time
    """,
    "there are dead letters": "select partition, source_offset, reason from funnelproof.dead_letter",
    "changes may have been lost": """
        select proof_id, reasons from funnelproof.proof
        where array_to_string(reasons, ' ') like '%lost%'
    """,
}

Count = tuple[UUID, UUID, str, datetime, UUID, UUID]
"""Tenant, pipeline, window's kind and start, from and to which stage (the same: entered it)."""


@dataclass(frozen=True)
class Figures:
    """How much there was to check, since the installation began."""

    rows: int
    partials: int
    windows: int
    runs: int
    revisions: int
    changes: int
    told_again: int


async def everything_is_right(installation: Installation) -> Figures:
    """Wait until all that was written is proven and revised; then nothing may be wrong, at once."""
    await installation.proven(FOLDING)
    connection = installation.connection
    for problem, question in WRONG.items():
        found = await connection.fetch(question)
        assert not found, f"{problem}: {[tuple(row) for row in found[:5]]}\n{installation.evidence()}"
    rows, partials = await compare_partials(connection, installation.settings.window_kinds)
    differences = await counts.differences(
        connection, installation.settings.window_kinds, (), installation.settings.stage_pairs
    )
    assert not differences, f"not as the canonical SQL says: {differences[:5]}\n{installation.evidence()}"
    runs = await connection.fetchval("select count(*) from funnelproof.window_run")
    revisions = await connection.fetchval("select count(*) from funnelproof.window_run where revision > 1")
    windows = await connection.fetchval(
        "select count(*) from funnelproof.time_window where closed_at is not null"
    )
    status, told = await asyncio.to_thread(installation.reconcile)
    assert (status, told["outcome"], told["differences"]) == (0, "equal", []), told
    assert told["runs"] >= runs - revisions
    changes, again = await _told(installation)
    return Figures(rows, partials, windows, runs, revisions, changes, again)


async def _told(installation: Installation) -> tuple[int, int]:
    """Check what others are told, once everything is; return how many changes, and how many events came again."""
    earlier = (await read_runs(installation.connection)).by_id.keys()
    await installation.wait_until("select not exists (select from funnelproof.outbox)", seconds=FOLDING)
    settings = installation.settings
    events = await published(settings.kafka, settings.facts_topic)
    runs = await read_runs(installation.connection)
    return await compare_revisions(installation.connection, runs), compare_events(events, earlier, runs)


async def compare_partials(connection: OwnConnection, kinds: Sequence[WindowKind]) -> tuple[int, int]:
    """Compare all partials with what plain Python makes of the rows; return how many of both there are."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(ROWS)
        streamed = {tuple(row)[:6]: row["deals"] for row in await connection.fetch(PARTIALS)}
    counted = count([tuple(row) for row in rows], kinds)
    wrong = {
        key: (streamed.get(key), counted.get(key))
        for key in streamed.keys() | counted.keys()
        if streamed.get(key) != counted.get(key)
    }
    assert not wrong, f"{len(wrong)} partials are (streamed, counted): {dict(list(wrong.items())[:5])}"
    return len(rows), len(streamed)


def count(
    rows: Sequence[tuple[UUID, UUID, UUID, UUID, datetime]], kinds: Sequence[WindowKind]
) -> Counter[Count]:
    """Count the simplest way: of each deal and window the first entry by stage, then all pairs of stages."""
    first: dict[tuple[UUID, UUID, str, datetime, UUID], dict[UUID, datetime]] = {}
    for tenant, pipeline, deal, stage, entered_at in rows:
        for kind in kinds:
            start = from_microseconds(kind.window_at(to_microseconds(entered_at)).start)
            stages = first.setdefault((tenant, pipeline, kind.name, start, deal), {})
            stages[stage] = min(entered_at, stages.get(stage, entered_at))
    counted: Counter[Count] = Counter()
    for (tenant, pipeline, name, start, _), stages in first.items():
        for a, entered in stages.items():
            for b, converted in stages.items():
                if a == b or entered < converted:
                    counted[tenant, pipeline, name, start, a, b] += 1
    return counted
