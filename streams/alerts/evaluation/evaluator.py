"""The evaluator: every watch at a moment, in a transaction with all decisions."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import msgspec
import structlog

from streams.alerts.evaluation import memory
from streams.alerts.evaluation.book import TOLD_SHORTLY, Decided, instant_of, microseconds_of
from streams.alerts.evaluation.health import CONDITIONS, Health, name_of
from streams.alerts.evaluation.invalid import tell_invalid
from streams.alerts.evaluation.keeping import Keeping
from streams.alerts.evaluation.moment import Moment, read_moment
from streams.alerts.evaluation.numbers import Names
from streams.alerts.evaluation.silences import tell, tell_what_outlasted
from streams.alerts.evaluation.term import Term
from streams.alerts.evaluation.watch import CHANGED, Watch
from streams.alerts.evaluation.watches import AnyWatch, Key, Wanted, read_basis, wanted
from streams.alerts.rule_file import RuleFile
from streams.alerts.scope import read_funnels
from streams.alerts.transition import Transition
from streams.domain.detection.calibration import Meter
from streams.domain.detection.snapshot import SnapshotError
from streams.domain.windows import to_microseconds
from streams.resources import sql
from streams.store.database import Connection, Pool, columns
from streams.store.timezones import recorded_plan

log = structlog.get_logger(__name__)

FUNNELS_EVERY = 15.0
"""Seconds between two readings of pipelines, stages and labels."""

OnLook = Callable[[float, Sequence[Transition]], None]
"""Called after every look with the look's seconds and transitions."""
Deliver = Callable[[], Awaitable[object]]
"""Awaited after a look with transitions, before memories are kept: alerts go first."""


async def _deliver_later() -> None:
    """Leave the delivery to others."""


class Evaluator:
    """Looks with all watches. `held` is why nothing is decided: `patience` is the age of a proof that is too old."""

    def __init__(
        self,
        pool: Pool,
        rules: RuleFile,
        windows: Sequence[str],
        patience: timedelta,
        term: Term,
        on_look: OnLook = lambda *_: None,
        deliver: Deliver = _deliver_later,
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._windows = tuple(windows)
        self._patience = patience
        self._term = term
        self._on_look = on_look
        self._deliver = deliver
        self._looked_in: int | None = None
        self._watches: dict[Key, tuple[Wanted, AnyWatch]] = {}
        self._noted: dict[Key, tuple[object, ...]] = {}
        self._keeping = Keeping()
        self._basis: object = None
        self._expected_of: set[Key] | None = None
        self._names: Names | None = None
        self._read_at = -FUNNELS_EVERY
        self._held_since: datetime | None = None
        self._health = Health()
        self.held: str | None = None

    @property
    def meters(self) -> Mapping[str, Meter]:
        """The number of windows that surprised each rule, since this process has evaluated the rule."""
        meters: dict[str, Meter] = {}
        for want, watch in self._watches.values():
            if isinstance(watch, Watch):
                of_rule = meters.get(want.rule.name, Meter())
                meters[want.rule.name] = of_rule.with_windows(watch.meter.windows, watch.meter.surprising)
        return meters

    def forget(self) -> None:
        """Forget everything that another evaluator may know better: this process is not active."""
        self._watches.clear()
        self._noted.clear()
        self._keeping.forget()
        self._basis = None
        self._expected_of = None
        self._read_at = -FUNNELS_EVERY
        self._held_since = None

    async def look(self) -> int:
        """Look once; return the number of transitions. After an error, everything is read again from the database.

        Raises TermOverError if another evaluator has become active.
        """
        began = time.monotonic()
        if self._term.number != self._looked_in:  # another evaluator may have been active since
            self.forget()
            self._looked_in = self._term.number
        try:
            async with self._transaction() as connection:
                moment = await read_moment(connection, self._patience)
                transitions = await self._look(connection, moment)
            self._on_look(time.monotonic() - began, transitions)
            if transitions:
                await self._deliver()
            if moment.held is None and self._keeping.is_due(self._watches):
                async with self._transaction() as connection:
                    await self._note_term(connection, moment)
                    await self._keeping.make(connection, self._watches)
        except BaseException:
            self.forget()
            raise
        return len(transitions)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            await connection.execute(sql("queries/alerts/look_patience"))
            yield connection

    async def _note_term(self, connection: Connection, moment: Moment) -> None:
        broken = self._rules.broken
        mistakes = ((), None) if broken is None else (broken.mistakes, broken.since)
        await self._term.note(connection, moment.until, moment.held, *mistakes)

    async def _look(self, connection: Connection, moment: Moment) -> Sequence[Transition]:
        self._note_rules(moment)
        await self._note_term(connection, moment)
        transitions = await self._sort_watches(connection, moment)
        self.held = moment.held
        transitions += self._hold(moment)
        if moment.held is None and self._names is not None:
            for want, watch in self._watches.values():
                before = watch.place.closed
                decided = await watch.look(connection, moment, self._names)
                transitions += watch.book.transitions(decided, moment)
                await self._note(connection, want, watch)
                if watch.place.closed != before:
                    self._keeping.close(want.key)
        mistake = None if self._rules.broken is None else next(iter(self._rules.broken.mistakes), None)
        transitions += await self._health.look(connection, moment, mistake)
        receivers = self._receivers()
        await tell(connection, transitions, receivers)
        await tell_what_outlasted(connection, receivers)
        return transitions

    def _receivers(self) -> dict[str, Sequence[str]]:
        """Return the receivers of each rule; alerts about funnelproof go to everybody."""
        rules = self._rules.rules.rule
        everybody = sorted({receiver for rule in rules for receiver in rule.receivers})
        return {name_of(each): everybody for each in CONDITIONS} | {
            rule.name: rule.receivers for rule in rules
        }

    def _note_rules(self, moment: Moment) -> None:
        if self._rules.reload(moment.now):
            log.info("the rules of alerts have changed", rules=len(self._rules.rules.rule))
            self._read_at = -FUNNELS_EVERY

    async def _sort_watches(self, connection: Connection, moment: Moment) -> list[Transition]:
        """Begin the watches that the rules want now, and end the others."""
        if time.monotonic() - self._read_at < FUNNELS_EVERY:
            return []
        self._read_at = time.monotonic()
        plan, now = await recorded_plan(connection, self._windows), to_microseconds(moment.now)
        before, self._basis = self._basis, await read_basis(connection, self._rules.rules, plan, now)
        if before == self._basis:
            return []
        funnels = await read_funnels(connection)
        self._names = Names.among(funnels)
        wants, invalid = wanted(self._rules.rules, funnels, plan, now)
        transitions = await tell_invalid(connection, invalid, moment)
        keys = {want.key for want in wants}
        if keys != self._expected_of:
            looked_at = columns(want.place for want in wants) or [[], [], []]
            await connection.execute(sql("queries/alerts/expectations_forget"), *looked_at)
            await connection.execute(sql("queries/alerts/memories_forget"), *looked_at)
            self._expected_of = keys
        for key in [key for key in self._watches if key not in keys]:
            transitions += await self._end(connection, key, moment)
        for want in wants:
            known = self._watches.get(want.key)
            if known is not None and known[0].differs_in_streams(want):
                transitions += await self._change(connection, *known, want, moment)
            elif known is None or known[0] != want:
                transitions += await self._begin(connection, want, moment)
        return transitions

    async def _change(
        self, connection: Connection, known: Wanted, watch: AnyWatch, want: Wanted, moment: Moment
    ) -> list[Transition]:
        """Let a watch go on with other streams, or begin a new watch."""
        if not await watch.change(connection, want.streams):
            return await self._begin(connection, want, moment)
        log.info(
            "streams have changed", rule=want.rule.name, before=len(known.streams), now=len(want.streams)
        )
        return await self._keep(connection, want, watch, [], moment)

    async def _begin(self, connection: Connection, want: Wanted, moment: Moment) -> list[Transition]:
        """Begin a watch that goes on where the cursor of its rule stands."""
        watch = want.make()
        cursor = await connection.fetchrow(sql("queries/alerts/cursor"), *want.place)
        watch.book.load(await connection.fetch(sql("queries/alerts/states"), *want.place))
        decided: list[Decided] = []
        goes_on = cursor is not None and cursor["digest"] == want.digest
        if cursor is not None and goes_on:
            watch.place.proof_id = cursor["proof_id"]
            watch.place.closed = microseconds_of(cursor["closed_start"])
        if isinstance(watch, Watch):
            decided += await self._take_up(connection, want, watch, cursor if goes_on else None, moment)
        return await self._keep(connection, want, watch, decided, moment)

    async def _keep(
        self, connection: Connection, want: Wanted, watch: AnyWatch, decided: list[Decided], moment: Moment
    ) -> list[Transition]:
        """Keep a watch; return what was decided, and the ends of the alerts of streams that are gone."""
        self._watches[want.key] = want, watch
        for stream in set(watch.book.active) - set(want.streams):
            decided += watch.book.end(stream, "resolved", moment.at, "the rule does not cover it any more")
        transitions = watch.book.transitions(decided, moment)
        await self._note(connection, want, watch)
        return transitions

    async def _take_up(
        self,
        connection: Connection,
        want: Wanted,
        watch: Watch,
        cursor: asyncpg.Record | None,
        moment: Moment,
    ) -> list[Decided]:
        """Give a watch the detector of the process before, or let the watch learn; return what ended meanwhile."""
        if cursor is None:
            await watch.learn(connection, None)
            watch.place.proof_id = moment.proof_id
            return watch.align(moment, "resolved", "the rule has changed")
        restored = False
        parts = await memory.kept(connection, want.place)
        if parts and cursor["memory_proof_id"] is not None:
            try:
                restored = await watch.restore(connection, parts, cursor["memory_proof_id"])
            except SnapshotError as error:
                log.info("learning anew", rule=want.rule.name, reason=str(error))
        if not restored:
            await watch.learn(connection, watch.place.closed)
            watch.place.proof_id = moment.proof_id
        return watch.align(moment, "retracted", CHANGED)

    async def _end(self, connection: Connection, key: Key, moment: Moment) -> list[Transition]:
        want, watch = self._watches.pop(key)
        decided: list[Decided] = []
        for stream in list(watch.book.active):
            decided += watch.book.end(stream, "resolved", moment.at, "the rule was taken away")
        transitions = watch.book.transitions(decided, moment)
        await self._note(connection, want, watch)
        return transitions

    def _hold(self, moment: Moment) -> list[Transition]:
        """Return the transitions of firing alerts that have been without a proof for a while, or have one again."""
        if moment.held is None:
            self._held_since = None
        else:
            self._held_since = self._held_since or moment.now
            if moment.now - self._held_since < TOLD_SHORTLY:
                return []
        return [
            transition
            for _, watch in self._watches.values()
            for transition in watch.book.transitions(watch.book.hold(moment.held, moment.at), moment)
        ]

    async def _note(self, connection: Connection, want: Wanted, watch: AnyWatch) -> None:
        """Store the cursor and the changed states of a watch."""
        place = watch.place
        cursor = (want.digest, instant_of(place.closed), place.proof_id)
        if cursor != self._noted.get(want.key):
            await connection.execute(sql("queries/alerts/cursor_note"), *want.place, *cursor)
            self._noted[want.key] = cursor
        if states := watch.book.stored():
            await connection.execute(sql("queries/alerts/states_note"), msgspec.json.encode(states).decode())
