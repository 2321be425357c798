"""Looks at the running demo every half second, and shows the figures."""

import asyncio
import time
from typing import NoReturn

from streams.demo.crm import Crm
from streams.demo.events import EventCounter
from streams.demo.figures import Figures
from streams.demo.view import ALERTS_SHOWN, CLOSED_SHOWN, REVISIONS_SHOWN, Moment, View

_EVERY = 0.5


class Observer:
    """Shows the running demo in a view.

    `phase` is the demo's present step in words. `window_name` is the kind of window whose funnel is shown. `page` is
    the address of the page, None without a page.
    """

    def __init__(
        self,
        view: View,
        figures: Figures,
        crm: Crm,
        events: EventCounter,
        window_name: str,
        page: str | None = None,
    ) -> None:
        self.phase = ""
        self._view = view
        self._figures = figures
        self._crm = crm
        self._events = events
        self._window_name = window_name
        self._page = page
        self._began = time.monotonic()
        self._last = (self._began, 0)
        self._rate = 0.0

    async def run(self) -> NoReturn:
        """Show a new moment every half second until cancelled."""
        with self._view:
            while True:
                self._view.show(await self._look())
                await asyncio.sleep(_EVERY)

    async def _look(self) -> Moment:
        figures, now, writes = self._figures, time.monotonic(), self._crm.writes.total()
        before, written = self._last
        if now - before >= 1:
            self._rate = (writes - written) / (now - before)
            self._last = now, writes
        return Moment(
            self.phase,
            now - self._began,
            self._rate,
            writes,
            self._events.count,
            self._window_name,
            await figures.totals(),
            await figures.funnel(self._window_name),
            await figures.closed(CLOSED_SHOWN),
            await figures.revisions(REVISIONS_SHOWN),
            await figures.alerts(2 * ALERTS_SHOWN),
            self._page,
        )
