"""The common work: a CRM's deals walking through their stages, as change events and as the rows that remain.

The same number of events and the same seed give the same work, to the byte.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 28
STAGES = 6
PARTITIONS = 8
TABLE = "deal_pipeline_stage_state"

_TENANTS = 4
_PIPELINES = 8
_SECOND = 1_000_000  # instants are integer microseconds, as Postgres keeps them
_DAY = 86_400 * _SECOND
_MEAN_STAY = 10 * 3600 * _SECOND
_BACKDATED = 0.02
_GIVEN_UP = 0.30
_SENT_BACK = 0.06


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A tenant's pipeline and its stages, in their order."""

    id: str
    tenant_id: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `deal_pipeline_stage_state`; instants in microseconds since 1970, UTC."""

    id: str
    deal_id: str
    pipeline: Pipeline
    stage_id: str
    entered_at: int
    exited_at: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a row, committed at `at`: an insert where there is no `before`, else an update."""

    at: int
    before: Row | None
    after: Row


@dataclass(frozen=True)
class Work:
    """`events` change events in the order of their commits, over 8 pipelines of 4 tenants and 28 days."""

    size: int
    seed: int = 7

    @property
    def name(self) -> str:
        """A name for its topic and databases."""
        return f"bench{self.size}"

    @cached_property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """The pipelines, the busiest first."""
        draw = random.Random(self.seed)
        tenants = [_identifier(draw) for _ in range(_TENANTS)]
        return tuple(
            Pipeline(
                _identifier(draw),
                tenants[number % _TENANTS],
                tuple(_identifier(draw) for _ in range(STAGES)),
            )
            for number in range(_PIPELINES)
        )

    @cached_property
    def events(self) -> list[Event]:
        """The events: c and u only; an update sets `exited_at`."""
        draw = random.Random(self.seed + 1)
        events: list[Event] = []
        while len(events) < self.size:
            # Few pipelines have most of the deals.
            number = min(int(draw.expovariate(0.5)), _PIPELINES - 1)
            events.extend(_walk(draw, self.pipelines[number]))
        events.sort(key=lambda event: event.at)  # stable: a deal's own events stay in order
        return events[: self.size]

    @cached_property
    def rows(self) -> list[Row]:
        """The rows that the table holds after all events."""
        return list({event.after.id: event.after for event in self.events}.values())


def partition_of(row: Row) -> int:
    """Return the partition of the row's events: that of its deal, so that a deal's events stay in order."""
    return int(row.deal_id[:8], 16) % PARTITIONS


def instant(microseconds: int) -> datetime:
    """Return the instant as an aware datetime."""
    return EPOCH + timedelta(microseconds=microseconds)


def _walk(draw: random.Random, pipeline: Pipeline) -> Iterator[Event]:
    """Let one deal enter stages, mostly the next one, until it is won, lost or the month is over."""
    deal = _identifier(draw)
    first = _microseconds(FIRST_DAY)
    at = first + int(draw.random() * (DAYS - 1) * _DAY)
    stage = 0
    stay: Row | None = None
    while True:
        backdated = int(draw.random() * 7200 * _SECOND) if draw.random() < _BACKDATED else 0
        entered = Row(_identifier(draw), deal, pipeline, pipeline.stages[stage], at - backdated)
        if stay is not None:
            yield Event(at, stay, replace(stay, exited_at=entered.entered_at))
        yield Event(at, None, entered)
        stay = entered
        at += int(draw.expovariate(1 / _MEAN_STAY))
        luck = draw.random()
        if luck < _GIVEN_UP or at > first + DAYS * _DAY:
            return
        if luck < _GIVEN_UP + _SENT_BACK and stage:
            stage -= 1
        elif stage < STAGES - 1:
            stage += 1
        else:
            return


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _identifier(draw: random.Random) -> str:
    digits = f"{draw.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
