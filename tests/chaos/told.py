"""What others are told of results, beside the runs themselves: the events in Kafka, and the view of revisions."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from streams.store.database import OwnConnection
from tests.integration.published import PublishedEvent

RUNS = """
select
    run.run_id, run.tenant_id, run.pipeline_id, run.window_name, run.window_start, run.window_end, run.revision,
    run.causes, proof.completeness, proof.source_lsn::text as source_lsn
from funnelproof.window_run as run
inner join funnelproof.proof using (proof_id)
"""
FACTS = """
select run_id, from_stage_id, to_stage_id, entered_count, converted_count
from dyno_crm.report_stage_conversion_fact
inner join funnelproof.window_run using (run_id)
"""
REVISIONS = """
select
    run_id, from_stage_id, to_stage_id, entered_before, entered_after, converted_before, converted_after, causes
from dyno_crm.stage_conversion_revisions
"""
NOTHING = (None, None)

Pair = tuple[UUID, UUID]
Facts = dict[Pair, tuple[int | None, int | None]]
"""By pair of stages: how many deals entered the first, and converted to the second."""


@dataclass
class Runs:
    """Every run there is, what it counts, and what the revision before it did (nothing, for a first one)."""

    by_id: Mapping[UUID, asyncpg.Record]
    facts: Mapping[UUID, Facts]
    before: Mapping[UUID, Facts]


async def read_runs(connection: OwnConnection) -> Runs:
    """Read them in one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        by_id = {row["run_id"]: row for row in await connection.fetch(RUNS)}
        facts: dict[UUID, Facts] = {run: {} for run in by_id}
        for run, a, b, entered, converted in await connection.fetch(FACTS):
            facts[run][a, b] = entered, converted
    places = {(*_window(row), row["revision"]): run for run, row in by_id.items()}
    before = {
        run: facts[places[*_window(row), row["revision"] - 1]] if row["revision"] > 1 else {}
        for run, row in by_id.items()
    }
    return Runs(by_id, facts, before)


async def compare_revisions(connection: OwnConnection, runs: Runs) -> int:
    """Hold the view of revisions to the facts of each run and of the one before; return how many lines it has."""
    shown = {
        tuple(row)[:7]: set(row["causes"])
        for row in await connection.fetch(REVISIONS)
        if row["run_id"] in runs.by_id
    }
    expected = {
        (run, a, b, was[0], now[0], was[1], now[1]): set(row["causes"])
        for run, row in runs.by_id.items()
        if row["revision"] > 1
        for (a, b), was, now in _changes(runs.before[run], runs.facts[run])
    }
    wrong = {line for line in shown.keys() | expected.keys() if shown.get(line) != expected.get(line)}
    assert not wrong, f"{len(wrong)} lines of stage_conversion_revisions are wrong: {list(wrong)[:5]}"
    return len(shown)


def _changes(before: Facts, after: Facts) -> list[tuple[Pair, tuple[Any, Any], tuple[Any, Any]]]:
    pairs = before.keys() | after.keys()
    found = [(pair, before.get(pair, NOTHING), after.get(pair, NOTHING)) for pair in pairs]
    return [(pair, was, now) for pair, was, now in found if was != now]


def compare_events(events: Sequence[PublishedEvent], earlier: AbstractSet[UUID], runs: Runs) -> int:
    """Hold the events to the runs, in the order of the commits; return how many were told again.

    `earlier` are the runs that must have been told when the events were read, `runs` those that there were afterwards.
    """
    told: dict[int, PublishedEvent] = {}
    for event in events:
        assert told.get(event.sequence, event) == event, f"sequence {event.sequence} says two things"
        assert event.sequence in told or event.sequence > max(told, default=0), "events are out of order"
        told[event.sequence] = event
    of_runs = [UUID(event.value["run_id"]) for event in told.values()]
    assert len(of_runs) == len(set(of_runs)), "a run is told under two sequences"
    assert earlier <= set(of_runs) <= runs.by_id.keys(), (
        f"not told: {list(earlier - set(of_runs))[:5]}, "
        f"told, and not there: {list(set(of_runs) - runs.by_id.keys())[:5]}"
    )
    latest: dict[tuple[str, str, str], int] = {}
    for event in told.values():
        assert event.revision == latest.get(event.window, 0) + 1, f"{event} comes out of turn"
        latest[event.window] = event.revision
        _compare(event, runs)
    return len(events) - len(told)


def _compare(event: PublishedEvent, runs: Runs) -> None:
    value, run = event.value, UUID(event.value["run_id"])
    row = runs.by_id[run]
    assert event.key == f"{row['tenant_id']}/{row['pipeline_id']}"
    said = [value[name] for name in ("window_name", "revision", "completeness", "source_lsn")]
    assert said == [row[name] for name in ("window_name", "revision", "completeness", "source_lsn")], value
    assert sorted(value["causes"]) == sorted(row["causes"]), value
    pairs = {(UUID(each["from_stage_id"]), UUID(each["to_stage_id"])): each for each in value["pairs"]}
    counts = {pair: (each["entered_count"], each["converted_count"]) for pair, each in pairs.items()}
    assert counts == runs.facts[run], f"{value} is not what the run counts: {runs.facts[run]}"
    for pair, each in pairs.items():
        was = runs.before[run].get(pair, NOTHING)
        assert (each["entered_before"], each["converted_before"]) == was, f"{value} was {was} before"


def _window(row: asyncpg.Record) -> tuple[object, ...]:
    return row["tenant_id"], row["pipeline_id"], row["window_name"], row["window_start"]
