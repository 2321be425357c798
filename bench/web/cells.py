"""Whether each number cell in the browser is the number of the views and of the canonical SQL, while others write.

A round: changes of the measured pipelines are committed, then a marker, an entry of each of a hundred deals. Once the
live view has the whole marker, all partitions are folded beyond the changes, and the next messages to the pages must
show the changes. Other pipelines are written all the time.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, writing
from bench.measures.latency import quantiles
from bench.servers import connected
from bench.statements import statement
from bench.web.browser import browser, opened
from bench.web.counted import canonical, closed, live, settled
from bench.web.crm import Funnel, Walk, new_funnels
from bench.web.shown import (
    Cells,
    Counted,
    cells_in,
    differing,
    funnel_cells,
    pipeline_cells,
    run_cells,
)
from bench.web.site import Site, serving
from streams.store.database import OwnConnection
from tests.integration.web.browser import Tab

ROUNDS = 100
LIVE = ("day", "hour")
_SHORT = "10s"
_KINDS = (_SHORT, "hour", "day", "week", "month")
_NEWEST = 6
_FUNNELS = 3
_RATE = 50
_MARKER = 100
_ENTRIES = 12
_CORRECTED_EVERY = 20
_SETTLED = timedelta(seconds=10)
_LOOK_EVERY = 0.03
_ASK_AGAIN = 1.0
_PATIENCE = 60.0
_FIRST_WINDOWS = 180.0

Expectations = Callable[[], Awaitable[tuple[Cells, Cells]]]


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
            waited = time.monotonic() - began
            if not found or waited > _PATIENCE:
                break
            await asyncio.sleep(_LOOK_EVERY)
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


async def measure(setting: Setting) -> Finding:
    """Take the moments, then plant a wrong count in the store and see that the comparison finds the count."""
    servers, folder = setting.servers, setting.folder / "page-cells"
    async with (
        servers.database("bench_cells") as dsn,
        crm(dsn),
        connected(dsn) as connection,
        installed(servers, dsn, dsn, folder, _KINDS) as installation,
        serving(installation.environment, folder / "page.log") as site,
        browser(folder / "chromium") as open_tab,
        writing(dsn, _RATE, folder),
    ):
        funnels = await new_funnels(connection, _FUNNELS)
        (marker,) = await new_funnels(connection, 1, 2)
        bench = Bench(site, connection, funnels)
        walk = Walk(connection, funnels)
        await _until_windows_closed(bench, walk, marker)
        lives = {(funnel.pipeline, kind): await open_tab() for funnel in funnels for kind in LIVE}
        for funnel in funnels:
            for kind in LIVE:
                await opened(lives[funnel.pipeline, kind], site.url(funnel, kind))
        others = [await open_tab() for _ in range(4)]
        for number in range(ROUNDS):
            await walk.change(_ENTRIES, corrects=number % _CORRECTED_EVERY == 0)
            await _mark(connection, marker)
            await _round(bench, lives, others)
            if number % 10 == 9:
                setting.console.print(f"{number + 1} of {ROUNDS} rounds", highlight=False)
        for each in bench.sampled.values():
            for difference in each.differences:
                setting.console.print(difference, markup=False, highlight=False)
        planted = await _planted(bench, lives[funnels[0].pipeline, "day"])
    return Finding(
        "Number cells in Chromium against the views and the canonical SQL",
        f"{ROUNDS} rounds of about {_ENTRIES} entries in {_FUNNELS} pipelines, a correction and a deletion every "
        f"{_CORRECTED_EVERY} rounds; other pipelines are written at {_RATE} rows/s. A moment is one page at one round. "
        "Times: from the view that has all changes until every cell of the page is equal; of a closed window the times "
        f"hold loading the page and, after a correction, the revision. A difference lasts {_PATIENCE:.0f} s. The last "
        "line: a wrong count was planted in the store, and must be found.",
        [
            *(each.row(page) for page, each in bench.sampled.items()),
            {
                **Sampled(delays=[0, 0]).row("planted"),
                "moments": 1,
                "moments with a difference": int(planted),
            },
        ],
    )


async def _round(bench: Bench, lives: dict[tuple[UUID, str], Tab], others: list[Tab]) -> None:
    """Take ten moments: six live funnels, two closed windows, a run, and the list of pipelines."""
    site, connection = bench.site, bench.connection
    began = time.monotonic()
    await asyncio.gather(
        *(
            bench.look(
                "live funnel",
                lives[funnel.pipeline, kind],
                partial(bench.live_cells, funnel, kind),
                began,
            )
            for funnel in bench.funnels
            for kind in LIVE
        )
    )
    for tab in others[:2]:
        funnel, window = await _some_window(bench)
        address = site.url(funnel, _SHORT, at=window.start.isoformat())
        await bench.look(
            "closed window",
            tab,
            partial(bench.closed_cells, funnel, window.start, _SHORT),
            time.monotonic(),
            address,
        )
    funnel, window = await _some_window(bench)
    address = f"{site.address}/windows/{window.run_id}"
    exact = run_cells(await canonical(connection, funnel, window))
    await bench.look("run", others[2], _both_of(run_cells(window), exact), time.monotonic(), address)
    rows = await connection.fetch(statement("web_pipelines"))
    stages = pipeline_cells((row["pipeline_id"], row["stages"]) for row in rows)
    await bench.look(
        "pipelines", others[3], _both_of(stages, stages), time.monotonic(), f"{site.address}/?q="
    )


def _both_of(view: Cells, exact: Cells) -> Expectations:
    async def both() -> tuple[Cells, Cells]:
        return view, exact

    return both


async def _some_window(bench: Bench) -> tuple[Funnel, Counted]:
    """Return a closed window whose last entries were long ago, and equal to the canonical SQL: no revision is due."""
    until = time.monotonic() + _PATIENCE
    while True:
        funnel = bench.draw.choice(bench.funnels)
        windows = settled(await closed(bench.connection, funnel, _SHORT), datetime.now(UTC), _SETTLED)
        window = bench.draw.choice(windows[:_NEWEST])
        if time.monotonic() > until or await canonical(bench.connection, funnel, window) == window:
            return funnel, window
        await asyncio.sleep(_LOOK_EVERY)


async def _mark(connection: OwnConnection, marker: Funnel) -> None:
    """Commit a marker and wait until the live view has the whole marker."""
    now = datetime.now(UTC)
    before = await connection.fetchval(statement("web_flushed"), marker.tenant)
    rows = [(uuid4(), marker.tenant, uuid4(), marker.pipeline, marker.stages[0], now) for _ in range(_MARKER)]
    await connection.execute(statement("web_enter"), *map(list, zip(*rows, strict=True)))
    until = time.monotonic() + _PATIENCE
    while await connection.fetchval(statement("web_flushed"), marker.tenant) < before + _MARKER:
        if time.monotonic() > until:
            raise BenchError(f"a marker was not in the live view {_PATIENCE:.0f} s after its commit")
        await asyncio.sleep(_LOOK_EVERY)


async def _until_windows_closed(bench: Bench, walk: Walk, marker: Funnel) -> None:
    until = time.monotonic() + _FIRST_WINDOWS
    while time.monotonic() < until:
        await walk.change(_ENTRIES, corrects=False)
        await _mark(bench.connection, marker)
        now = datetime.now(UTC)
        windows = [
            settled(await closed(bench.connection, each, _SHORT), now, _SETTLED) for each in bench.funnels
        ]
        if min(map(len, windows)) > 1:
            return
        await asyncio.sleep(1)
    raise BenchError(f"no windows were closed within {_FIRST_WINDOWS:.0f} s")


async def _planted(bench: Bench, tab: Tab) -> bool:
    """Count a deal too many in the store; return whether the comparison of the live page finds the deal."""
    funnel = bench.funnels[0]
    await bench.connection.execute(statement("web_plant"), funnel.pipeline, funnel.stages[0])
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        view, exact = await bench.live_cells(funnel, "day")
        shown = await cells_in(tab)
        if not differing(shown, view) and differing(shown, exact):
            return True
        await asyncio.sleep(_LOOK_EVERY)
    return False
