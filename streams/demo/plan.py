"""An accelerated sales business: the rows to write at each moment. Equal seeds and rates give equal plans."""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

from streams.demo.business import PIPELINES, Pipeline
from streams.demo.mishaps import LOST_SHARE, Mishaps
from streams.demo.writes import CORRECTIONS, INSERTS, Correction, Kind, PastRow, Row, Transaction, Write

TICK = 0.05
"""Seconds between two transactions of the ordinary business."""
CORRECTIONS_FROM = 22.0
"""Seconds until the first correction: by then the window into which the correction reaches back is closed."""
LATE = 20.0
"""The fewest seconds that a correction reaches back: a 15 s window, the longest transaction, and a reserve."""
LONGEST_OPEN = 3.0
"""The most seconds that a transaction stays open."""
PAST_RATE = 100.0
"""The highest rate of the past, in rows a second: a past need only be long."""
_POPULARITY = (5, 2, 3, 1, 3, 2)


@dataclass(slots=True, eq=False)
class _Deal:
    """A deal at its present stage.

    `place` is the stage's index in the pipeline. `rows` are the deal's rows with the second of the entry.
    """

    id: UUID
    pipeline: Pipeline
    place: int = 0
    rows: list[tuple[Row, float]] = field(default_factory=list)


class Plan:
    """The writes of each tick, about `rate` rows a second; every choice comes from the seed.

    `identifiers` draws the ids of rows and deals; the default repeats the ids in every run with an equal seed.
    A database that keeps the rows of an earlier run needs a source of ids that never repeats.
    """

    def __init__(self, seed: int, rate: float, identifiers: random.Random | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a simulation, no secrets
        self._identifiers = identifiers or random.Random(f"ids {seed}")  # noqa: S311 - as above
        self._rate = rate
        self._budget = 0.0
        self._moves: list[tuple[float, int, _Deal]] = []
        self._number = itertools.count()
        self._deals: deque[_Deal] = deque(maxlen=1000 + int(30 * rate))
        self._chances = {p.id: [self._random.uniform(0.5, 0.9) for _ in p.stages] for p in PIPELINES}
        self._corrections = self._cycle_of_corrections()
        self._mishaps: Mishaps | None = None
        self._late: dict[_Deal, list[tuple[Row, float]]] = {}
        self._began = 0
        self._begin_corrections(0.0)

    def past(self, seconds: float) -> list[PastRow]:
        """Return the rows that an ordinary business has written in some seconds; `ticks` goes on from there.

        `ticks` corrects none of these rows.
        """
        rate, self._rate = self._rate, min(self._rate, PAST_RATE)
        self._began = round(seconds / TICK)
        self._correct_at = self._roll_back_at = self._hold_at = math.inf
        rows: dict[UUID, PastRow] = {}
        for number in range(self._began):
            ago = (self._began - number) * TICK
            for transaction in self._tick(number * TICK):
                for write in transaction.writes:
                    row = write.row
                    known = rows.get(row.id)
                    rows[row.id] = (
                        PastRow(row, ago, None) if known is None else PastRow(row, known.entered_ago, ago)
                    )
        self._rate = rate
        self._deals.clear()
        self._begin_corrections(seconds)
        return list(rows.values())

    def ticks(self, first_window: float | None = None) -> Iterator[list[Transaction]]:
        """Yield the transactions of every tick, without end.

        With `first_window`, the seconds until the first whole window begins, things go wrong: see Mishaps.
        """
        if first_window is not None:
            start = self._began * TICK
            self._mishaps = Mishaps(start, start + first_window)
        return (self._tick(number * TICK) for number in itertools.count(self._began))

    def fall_behind(self, seconds: float) -> None:
        """Note that all further ticks come some seconds later than planned: mishaps keep to the windows."""
        if self._mishaps is not None:
            self._mishaps = replace(self._mishaps, begin=self._mishaps.begin - seconds)
        self._late = {deal: [(row, at - seconds) for row, at in moves] for deal, moves in self._late.items()}

    def _begin_corrections(self, now: float) -> None:
        self._correct_at = now + CORRECTIONS_FROM
        self._roll_back_at = now + 1.5
        self._hold_at = now + 4.0

    def _tick(self, now: float) -> list[Transaction]:
        self._budget += self._rate * TICK
        corrections: list[Write] = []
        if now >= self._correct_at:
            self._correct_at += 1 / max(0.5, self._rate / 200)
            corrections = self._correct(next(self._corrections), now)
            self._budget -= len(corrections)
        writes: list[Write] = []
        while len(writes) < self._budget and self._moves and self._moves[0][0] <= now:
            writes += self._move(heapq.heappop(self._moves)[2], now)
        while len(writes) < self._budget:
            writes += self._arrive(now)
        late = self._catch_up(now)
        self._budget -= len(writes) + len(late)
        # Several transactions: a transaction writes a row once; a tick may both correct a deal and move the deal on.
        transactions = [Transaction(tuple(part)) for part in (corrections, writes, late) if part]
        if now >= self._roll_back_at:
            self._roll_back_at += self._random.uniform(1, 3)
            transactions.append(Transaction(tuple(self._in_vain()), rolls_back=True))
        if now >= self._hold_at:
            self._hold_at += self._random.uniform(6, 12)
            transactions.append(self._hold(now))
        return transactions

    # The ordinary business: deals arrive, move on, come back, and are lost.

    def _arrive(self, now: float) -> list[Write]:
        deal = self._new_deal()
        self._deals.append(deal)
        self._go_on_after(deal, now)
        return [self._enter(deal, 0, "enter", now)]

    def _move(self, deal: _Deal, now: float) -> list[Write]:
        if not deal.rows:  # merged into another deal, or deleted
            return []
        is_late = self._mishaps is not None and self._mishaps.delay(deal.pipeline, deal.place, now)
        writes = self._next(deal, now)
        if not is_late and deal not in self._late:
            return writes
        entered = [(write.row, now) for write in writes if write.kind in INSERTS]
        self._late[deal] = self._late.get(deal, []) + entered
        return []

    def _next(self, deal: _Deal, now: float) -> list[Write]:
        left = Write("exit", deal.rows[-1][0])
        if deal.place and self._random.random() < 0.06:
            self._go_on_after(deal, now)
            return [left, self._enter(deal, self._random.randrange(deal.place), "reenter", now)]
        if self._random.random() < self._chance(deal, now):
            if deal.place + 2 < len(deal.pipeline.stages):
                self._go_on_after(deal, now)
            return [left, self._enter(deal, deal.place + 1, "enter", now)]
        # The deal is lost, and only every second user notes the exit.
        return [left] if self._random.random() < 0.5 else []

    def _chance(self, deal: _Deal, now: float) -> float:
        chance = self._chances[deal.pipeline.id][deal.place]
        lost = self._mishaps and self._mishaps.lose(deal.pipeline, deal.place, now)
        return chance * LOST_SHARE if lost else chance

    def _catch_up(self, now: float) -> list[Write]:
        """Write the late moves down, each with the time at which the deal moved."""
        if not self._late or self._mishaps is None or not self._mishaps.caught_up(now):
            return []
        moves = [move for moves in self._late.values() for move in moves]
        self._late.clear()
        return [Write("late_insert", row, now - at) for row, at in moves]

    def _enter(self, deal: _Deal, place: int, kind: Kind, now: float, ago: float = 0.0) -> Write:
        row = self._row(deal, place)
        deal.place = place
        deal.rows.append((row, now - ago))
        return Write(kind, row, ago)

    def _go_on_after(self, deal: _Deal, now: float) -> None:
        """Plan the deal's next move: mostly within seconds, for a tenth of the deals after a new window has begun."""
        low, high = (10, 40) if self._random.random() < 0.1 else (0.5, 10)
        when = now + math.exp(self._random.uniform(math.log(low), math.log(high)))
        heapq.heappush(self._moves, (when, next(self._number), deal))

    # Beside the ordinary business: corrections, transactions that roll back, transactions that stay open.

    def _cycle_of_corrections(self) -> Iterator[Correction]:
        yield "late_insert"  # a late insert of a new deal always changes a closed window's counts
        left: list[Correction] = [kind for kind in CORRECTIONS if kind != "late_insert"]
        while True:
            self._random.shuffle(left)
            yield from left
            left = list(CORRECTIONS)

    def _correct(self, kind: Correction, now: float) -> list[Write]:
        back = self._random.uniform(LATE, max(LATE + 1, min(45.0, now)))
        if kind == "late_insert":
            new = self._new_deal()
            later = back - self._random.uniform(0.5, 5)
            return [self._enter(new, place, kind, now, ago) for place, ago in ((0, back), (1, later))]
        deal = self._some_deal()
        if deal is None:
            return []
        if kind == "deal_merged":
            return self._merge(deal)
        place = self._random.randrange(len(deal.rows))
        row, entered = deal.rows.pop(place)
        if kind == "delete":
            return [Write(kind, row)]
        moved_back = 0.0
        if kind == "backdate":
            moved_back = max(back - (now - entered), 1.0)
        else:
            row = self._elsewhere(kind, row)
        deal.rows.insert(place, (row, entered - moved_back))
        return [Write(kind, row, moved_back)]

    def _elsewhere(self, kind: Correction, row: Row) -> Row:
        """Return the row moved elsewhere, as `kind` says.

        `stage_corrected` moves the row to another stage of the pipeline, `pipeline_moved` to another pipeline of the
        tenant, `tenant_moved` to another tenant.
        """

        def reached(there: Pipeline) -> bool:
            if kind == "stage_corrected":
                return there.id == row.pipeline_id
            same_tenant = there.tenant_id == row.tenant_id
            return (
                same_tenant and there.id != row.pipeline_id if kind == "pipeline_moved" else not same_tenant
            )

        there = self._random.choice([pipeline for pipeline in PIPELINES if reached(pipeline)])
        stage = self._random.choice([stage for stage in there.stages if stage.id != row.stage_id])
        return replace(row, tenant_id=there.tenant_id, pipeline_id=there.id, stage_id=stage.id)

    def _merge(self, deal: _Deal) -> list[Write]:
        """Give the deal's rows to another deal, like a CRM that merges duplicates."""
        other = self._some_deal(duplicate_of=deal)
        if other is None:
            return []
        moved = [(replace(row, deal_id=other.id), entered) for row, entered in deal.rows]
        other.rows[:0] = moved
        deal.rows.clear()
        return [Write("deal_merged", row) for row, _ in moved]

    def _in_vain(self) -> Iterator[Write]:
        for _ in range(self._random.randint(1, 4)):
            yield Write("enter", self._row(self._new_deal(), 0))
        deal = self._some_deal()
        if deal is not None:
            yield Write("delete", deal.rows[0][0])

    def _hold(self, now: float) -> Transaction:
        """Let new deals arrive in a transaction that stays open; the deals' next moves come after the commit."""
        open_for = self._random.uniform(1, LONGEST_OPEN)
        deals = [self._new_deal() for _ in range(self._random.randint(2, 5))]
        writes = tuple(self._enter(deal, 0, "enter", now) for deal in deals)
        for deal in deals:
            self._go_on_after(deal, now + open_for + 1)
        return Transaction(writes, open_for=open_for)

    def _new_deal(self) -> _Deal:
        return _Deal(self._id(), self._random.choices(PIPELINES, _POPULARITY)[0])

    def _some_deal(self, duplicate_of: _Deal | None = None) -> _Deal | None:
        """Return a recent deal that has rows, or None.

        With `duplicate_of`, the deal is another deal of an equal pipeline: a possible duplicate.
        """
        candidates = [
            deal
            for deal in self._deals
            if deal.rows
            and deal not in self._late
            and (
                duplicate_of is None or (deal is not duplicate_of and deal.pipeline is duplicate_of.pipeline)
            )
        ]
        return self._random.choice(candidates) if candidates else None

    def _row(self, deal: _Deal, place: int) -> Row:
        pipeline = deal.pipeline
        return Row(self._id(), pipeline.tenant_id, deal.id, pipeline.id, pipeline.stages[place].id)

    def _id(self) -> UUID:
        return UUID(int=self._identifiers.getrandbits(128), version=4)
