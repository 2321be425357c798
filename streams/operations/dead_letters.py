"""The dead letters of an installation, in words, with the windows that each letter concerns."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from streams.cdc.restatement import RowKey, SourceRow, parse_key, without_schema
from streams.domain.plan import WindowPlan
from streams.domain.windows import from_microseconds, to_microseconds
from streams.errors import FunnelproofError, PreconditionError
from streams.repairing.rows_now import read_rows
from streams.resources import sql
from streams.settings import Settings
from streams.store.database import Connection, columns, facts_connection, source_connection
from streams.store.installation import require_installation
from streams.store.labels import Labels, known_labels
from streams.store.timezones import recorded_plan

_WindowKey = tuple[UUID, UUID, str, datetime]
"""Tenant, pipeline, kind and start."""


@dataclass(frozen=True)
class HeldWindow:
    """A window in which the row counts. `state` is `open`, or the completeness of the window's last run."""

    window_name: str
    start: datetime
    end: datetime
    state: str = "open"


@dataclass(frozen=True)
class DeadLetter:
    """An unresolved dead letter. `place` is `<partition>/<offset>`; `age` is in seconds.

    `row` is None if the key names no row. `event_row` is the row as the event has it, `present_row` the row in the
    source now; each is None where nothing can be read. `words` tells the row to a person.
    """

    topic_id: str
    partition: int
    source_offset: int
    key: bytes | None
    reason: str
    recorded_at: datetime
    age: float
    row: RowKey | None
    event_row: SourceRow | None = None
    present_row: SourceRow | None = None
    words: str = ""
    windows: Sequence[HeldWindow] = ()
    pairs: Sequence[str] = ()

    @property
    def place(self) -> str:
        """The letter's id for people, `<partition>/<offset>`."""
        return f"{self.partition}/{self.source_offset}"


@dataclass(frozen=True)
class HeldKind:
    """The results of a kind of window that letters hold back: runs published as estimates since the oldest letter."""

    window_name: str
    estimated_runs: int
    open_windows: int


@dataclass(frozen=True)
class Listing:
    """The oldest unresolved letters, the number of all, and what all letters together hold back."""

    letters: Sequence[DeadLetter]
    total: int
    held: Sequence[HeldKind] = field(default_factory=list)


async def list_dead_letters(settings: Settings, limit: int) -> Listing:
    """Return the oldest `limit` unresolved letters of the present log.

    Where the source does not answer, the letters are told without the rows' present content. Raises UnreachableError
    and PreconditionError.
    """
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        found, total = await read_letters(facts, limit)
        if not found:
            return Listing([], 0)
        rows = await facts.fetch(sql("queries/operations/dead_letters_hold"), found[0].recorded_at)
        held = [HeldKind(**row) for row in rows]
        present = await _present_rows(settings, found)
        told = await _told(
            facts,
            [replace(each, present_row=present.get(each.row.row_id) if each.row else None) for each in found],
            settings,
        )
        return Listing(told, total, held)


async def read_letters(
    facts: Connection,
    limit: int | None = None,
    places: Sequence[str] | None = None,
    *,
    with_events: bool = True,
) -> tuple[list[DeadLetter], int]:
    """Return the oldest `limit` unresolved letters, or those at `places`, and the number of all such letters.

    Without events the letters have no `event_row`, and many letters take little memory.
    Raises PreconditionError for a place without an unresolved letter.
    """
    wanted = None if places is None else columns(map(_parse_place, places)) or [[], []]
    rows = await facts.fetch(
        sql("queries/operations/dead_letters"), limit, *(wanted or (None, None)), with_events
    )
    letters = [_letter(row) for row in rows]
    if missing := set(places or ()) - {each.place for each in letters}:
        raise PreconditionError(
            f"no unresolved dead letter {', '.join(sorted(missing))}: `funnelproof dead-letters list` shows them"
        )
    return letters, rows[0]["letters"] if rows else 0


def _parse_place(place: str) -> tuple[int, int]:
    partition, _, offset = place.partition("/")
    try:
        return int(partition), int(offset)
    except ValueError:
        raise PreconditionError(
            f"{place!r} is no dead letter's id: write partition/offset, as `funnelproof dead-letters list` shows it"
        ) from None


def _letter(row: asyncpg.Record) -> DeadLetter:
    return DeadLetter(
        row["topic_id"],
        row["partition"],
        row["source_offset"],
        row["key"],
        row["reason"],
        row["recorded_at"],
        row["age"],
        row=parse_key(row["key"]),
        event_row=_event_row(row["value"]),
    )


class _Event(msgspec.Struct):
    after: SourceRow | None = None
    before: SourceRow | None = None


def _event_row(value: bytes | None) -> SourceRow | None:
    """Return the row in an event; None if the event cannot be read."""
    with suppress(msgspec.DecodeError, ValueError):
        event = msgspec.json.decode(without_schema(value or b""), type=_Event)
        return event.after or event.before
    return None


async def _present_rows(settings: Settings, letters: Sequence[DeadLetter]) -> Mapping[UUID, SourceRow]:
    ids = [each.row.row_id for each in letters if each.row is not None]
    with suppress(FunnelproofError, asyncpg.PostgresError):
        async with source_connection(settings) as source:
            return await read_rows(source, ids)
    return {}


async def _told(facts: Connection, letters: Sequence[DeadLetter], settings: Settings) -> list[DeadLetter]:
    """Return the letters with words, windows and pairs."""
    plan, labels = await recorded_plan(facts, settings.windows), await known_labels(facts)
    stage_ids = [row.pipeline_stage_id for each in letters for row in _rows(each)]
    stages = {
        row["stage_id"]: row
        for row in await facts.fetch(sql("queries/operations/dead_letters_stages"), stage_ids)
    }
    names = {stage: row["name"] or str(stage) for stage, row in stages.items()}
    windows = [_windows(plan, each) for each in letters]
    states = await _states(facts, list({key for found in windows for key in found}))
    told = []
    for each, found in zip(letters, windows, strict=True):
        pairs = {
            pair
            for row in _rows(each)
            if (known := stages.get(row.pipeline_stage_id))
            for pair in known["pairs"]
        }
        held = [replace(window, state=states[key]) for key, window in found.items()]
        told.append(replace(each, words=_words(each, names, labels), windows=held, pairs=sorted(pairs)))
    return told


def _rows(letter: DeadLetter) -> list[SourceRow]:
    return [row for row in (letter.event_row, letter.present_row) if row is not None]


def _windows(plan: WindowPlan, letter: DeadLetter) -> dict[_WindowKey, HeldWindow]:
    found: dict[_WindowKey, HeldWindow] = {}
    for row in _rows(letter):
        with suppress(ValueError, OverflowError):  # an instant outside the calendar lies in no window
            at = to_microseconds(datetime.fromisoformat(row.entered_at))
            for kind in plan.kinds_of(str(row.tenant_id)):
                window = kind.window_at(at)
                start, end = from_microseconds(window.start), from_microseconds(window.end)
                key = row.tenant_id, row.pipeline_id, window.name, start
                found[key] = HeldWindow(window.name, start, end)
    return found


async def _states(facts: Connection, windows: Sequence[_WindowKey]) -> dict[_WindowKey, str]:
    if not windows:
        return {}
    rows = await facts.fetch(sql("queries/operations/dead_letters_windows"), *columns(windows))
    return {key: row["state"] for key, row in zip(windows, rows, strict=True)}


def _words(letter: DeadLetter, stages: Mapping[UUID, str], labels: Labels) -> str:
    row = letter.present_row or letter.event_row
    if row is not None:
        stage = stages.get(row.pipeline_stage_id, str(row.pipeline_stage_id))
        now = "" if letter.present_row else " by the event"
        return (
            f"deal {row.deal_id}: entered {stage} of {labels.pipeline(str(row.pipeline_id))} "
            f"({labels.tenant(str(row.tenant_id))}) at {row.entered_at}{now}; row {row.id}"
        )
    if letter.row is not None:
        return f"deal {letter.row.deal_id}: row {letter.row.row_id}, which the source does not have now"
    return "no row: the record's key names none"
