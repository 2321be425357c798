"""Moments: the cells of one page at one time, compared until all are equal or the patience is at its end."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from bench.measures.latency import quantiles
from bench.web.browser import opened
from bench.web.counted import canonical, closed, live
from bench.web.crm import Funnel
from bench.web.shown import Cells, Counted, cells_in, differing, funnel_cells
from bench.web.site import Site
from streams.store.database import OwnConnection
from tests.integration.web.browser import Tab

PATIENCE = 60.0
LOOK_EVERY = 0.03
_ASK_AGAIN = 1.0

Expectations = Callable[[], Awaitable[tuple[Cells, Cells]]]
"""Gives the cells by the view, and by the canonical SQL."""


@dataclass
class Sampled:
    """The moments of a kind of page: how many cells were compared, and the seconds until all were equal."""

    cells: int = 0
    delays: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def row(self, page: str) -> dict[str, object]:
        """Return the row of the table."""
        moments = len(self.delays) + len(self.differences)
        return {
            "page": page,
            "moments": moments,
            "cells": self.cells,
            "moments with a difference": len(self.differences),
            **{name: quantiles(self.delays)[name] for name in ("p50 ms", "p95 ms", "max ms")},
        }


@dataclass
class Bench:
    """What the moments are taken of."""

    site: Site
    connection: OwnConnection
    funnels: list[Funnel]
    sampled: dict[str, Sampled] = field(default_factory=dict)
    draw: random.Random = field(default_factory=lambda: random.Random(5))
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(
        self, page: str, tab: Tab, expected: Expectations, began: float, address: str | None = None
    ) -> None:
        """Compare a tab until all cells are equal. `address`: the tab shows no live page, and opens the address."""
        sampled = self.sampled.setdefault(page, Sampled())
        asked = -_ASK_AGAIN
        while True:
            if address:
                await opened(tab, address)
            if address or time.monotonic() - asked > _ASK_AGAIN:
                async with self.turn:
                    wanted = await expected()
                asked = time.monotonic()
            shown = await cells_in(tab)
            found = differing(shown, *wanted)
            if found and address:  # a window may have closed between the two looks, and been pushed
                async with self.turn:
                    found = differing(shown, *await expected())
            waited = time.monotonic() - began
            if not found or waited > PATIENCE:
                break
            await asyncio.sleep(LOOK_EVERY)
        sampled.cells += len(shown)
        if found or not shown:
            sampled.differences.append(f"{page}: {'; '.join(found) or 'no cell is shown'}")
        else:
            sampled.delays.append(waited)

    async def live_cells(self, funnel: Funnel, kind: str) -> tuple[Cells, Cells]:
        """Return the cells of a live page by the view, and by the canonical SQL."""
        now = await live(self.connection, funnel, kind)
        return await self._both(funnel, now, [now, *await closed(self.connection, funnel, kind)])

    async def closed_cells(self, funnel: Funnel, start: datetime, kind: str) -> tuple[Cells, Cells]:
        """Return the cells of the page of a closed window."""
        windows = await closed(self.connection, funnel, kind)
        (chosen,) = [each for each in windows if each.start == start]
        return await self._both(funnel, chosen, windows)

    async def _both(self, funnel: Funnel, window: Counted, trend: list[Counted]) -> tuple[Cells, Cells]:
        before = next((each for each in trend if each.start < window.start), None)
        exact = [await canonical(self.connection, funnel, each) for each in trend]
        former = None if before is None else await canonical(self.connection, funnel, before)
        now = await canonical(self.connection, funnel, window)
        return funnel_cells(window, before, trend), funnel_cells(now, former, exact)
