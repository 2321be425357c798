"""A pipeline of the installation, looked at again and again."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from streams.domain.duration import spell
from streams.errors import PreconditionError, SettingsError
from streams.terminal.choosing import choose
from streams.web.alert_model import Alert
from streams.web.database import Database, Reading
from streams.web.errors import MalformedError, UnknownError, WebError
from streams.web.freshness import health_of, state_of
from streams.web.funnels import Place, find, window_kinds
from streams.web.history import History
from streams.web.lists import read_alerts, read_reconciliations
from streams.web.model import Health, Pipeline
from streams.web.place import Address
from streams.web.scope import EVERYTHING
from streams.web.view import View, read_view

EVERY = 0.4
"""Seconds between two looks, and between two drawings."""
_ANEW = 5.0
"""Seconds after which everything is read anew, whether anything was flushed or not: an alert may be silenced."""
_SILENT = 2.0
"""Seconds without an answer of the database after which a person is told."""
_MOST_ALERTS = 100


@dataclass(frozen=True)
class Seen:
    """A pipeline at one moment. `view` is None without a window, and `missing` then says why.

    `alerts` are on, in any pipeline. `health` is as fresh as the last look.
    """

    pipeline: Pipeline
    place: Place
    health: Health
    alerts: tuple[Alert, ...] = ()
    view: View | None = None
    missing: str = ""


class Follower:
    """Looks at a pipeline's newest window of a kind; a look reads only what may have changed."""

    def __init__(self, database: Database, pipeline: Pipeline, window: str) -> None:
        self._database = database
        self._pipeline = pipeline
        self._window = window
        self._loop = asyncio.get_running_loop()
        self._state: tuple[str, ...] | None = None
        self._read_at = 0.0
        self._answered_at = self._loop.time()
        self._silent = ""
        self._seen: Seen | None = None
        self._history: History | None = None
        self._history_of: object = None
        self._history_at = 0.0

    @classmethod
    async def begin(
        cls, database: Database, tenant: str | None, pipeline: str | None, window: str | None
    ) -> "Follower":
        """Return a follower of the pipeline with these names. `window` None: days, or else the first kind.

        Raises PreconditionError as `choose` does and before the first window, SettingsError for a kind that is not
        counted, WebError if the database gives no answer.
        """
        async with database.reading(EVERYTHING) as read:
            chosen = await choose(read, tenant, pipeline)
            kinds = await window_kinds(read)
        if not kinds:
            raise PreconditionError("no window is counted yet: start `funnelproof worker`")
        follower = cls(database, chosen, window or ("day" if "day" in kinds else kinds[0]))
        try:
            await follower.look()
        except MalformedError as error:
            raise SettingsError(f"--window {window} {error}") from None
        return follower

    @property
    def seen(self) -> Seen:
        """The last look. Where the database gives no answer any more, `health` says so, with the age of the numbers."""
        assert self._seen is not None  # noqa: S101 - `begin` has looked
        age = self._loop.time() - self._answered_at
        if not self._silent and age < _SILENT:
            return self._seen
        why = self._silent or "the report database gives no answer"
        health = Health(state="not_live", message=f"Not live: {spell(age)} old ({why})", age=age)
        return replace(self._seen, health=health)

    async def look(self) -> None:
        """Look at the pipeline now. Raises WebError if the database gives no answer."""
        async with self._database.reading(EVERYTHING) as read:
            pulse = await read.row("pulse")
            if self._seen is None or state_of(pulse) != self._state or self._now - self._read_at > _ANEW:
                self._seen = await self._read(read, pulse)
                self._state, self._read_at = state_of(pulse), self._now
            else:
                last = self._seen.health.last_reconciliation
                self._seen = replace(self._seen, health=health_of(pulse, last))
        self._answered_at, self._silent = self._now, ""

    async def follow(self, show: Callable[[Seen], None]) -> NoReturn:
        """Look again and again, and show what is seen, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_looking())
            while True:
                show(self.seen)
                await asyncio.sleep(EVERY)

    @property
    def _now(self) -> float:
        return self._loop.time()

    async def _keep_looking(self) -> NoReturn:
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except WebError as error:
                self._silent = str(error)

    async def _read(self, read: Reading, pulse: Mapping[str, Any] | None) -> Seen:
        chosen = self._pipeline
        place = await find(read, chosen.tenant_id, chosen.pipeline_id, self._window)
        pipeline = chosen.model_copy(update={"tenant": place.tenant, "pipeline": place.pipeline})
        compared = await read_reconciliations(read, None, 1)
        health = health_of(pulse, next(iter(compared.items), None))
        alerts = (await read_alerts(read, None, None, _MOST_ALERTS)).items
        published = None if pulse is None else (pulse["epoch"], pulse["published"])
        try:
            address = Address(chosen.tenant_id, chosen.pipeline_id, self._window)
            view = await read_view(read, address, self._known_history(published))
        except UnknownError as error:
            return Seen(pipeline, place, health, alerts, missing=str(error))
        if view.history is not self._history:
            self._history, self._history_of, self._history_at = view.history, published, self._now
        return Seen(pipeline, place, health, alerts, view)

    def _known_history(self, published: object) -> History | None:
        """Return the closed windows as last read, if no run was published since.

        A run takes its number before the run is committed, so even the history of the last number is read anew later.
        """
        is_known = published == self._history_of and self._now - self._history_at < _ANEW
        return self._history if is_known else None
