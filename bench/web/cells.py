"""Whether each number cell in the browser is the number of the views and of the canonical SQL, while others write.

A round: changes of the measured pipelines are committed, then a marker, an entry of each of a hundred deals. Once the
live view has the whole marker, all partitions are folded beyond the changes, and the next messages to the pages must
show the changes. Other pipelines are written all the time.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, writing
from bench.servers import connected
from bench.statements import statement
from bench.web.browser import browser, opened
from bench.web.counted import canonical, closed, settled
from bench.web.crm import Funnel, Walk, new_funnels
from bench.web.moments import LOOK_EVERY, PATIENCE, Bench, Expectations, Sampled
from bench.web.shown import (
    Cells,
    Counted,
    cells_in,
    differing,
    pipeline_cells,
    run_cells,
)
from bench.web.site import serving
from streams.store.database import OwnConnection
from tests.integration.web.browser import Tab

_ROUNDS_A_MINUTE = 100
"""Rounds for `--seconds 60`; a round may take longer than its share."""
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
_FIRST_WINDOWS = 180.0


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
        rounds = max(1, round(setting.seconds / 60 * _ROUNDS_A_MINUTE))
        for number in range(rounds):
            await walk.change(_ENTRIES, corrects=number % _CORRECTED_EVERY == 0)
            await _mark(connection, marker)
            await _round(bench, lives, others)
            if number % 10 == 9:
                setting.console.print(f"{number + 1} of {rounds} rounds", highlight=False)
        for each in bench.sampled.values():
            for difference in each.differences:
                setting.console.print(difference, markup=False, highlight=False)
        planted = await _planted(bench, lives[funnels[0].pipeline, "day"])
    return Finding(
        "Number cells in Chromium against the views and the canonical SQL",
        f"{rounds} rounds of about {_ENTRIES} entries in {_FUNNELS} pipelines, a correction and a deletion every "
        f"{_CORRECTED_EVERY} rounds; other pipelines are written at {_RATE} rows/s. A moment is one page at one round. "
        "Times: from the view that has all changes until every cell of the page is equal; of a closed window the times "
        f"hold loading the page and, after a correction, the revision. A difference lasts {PATIENCE:.0f} s. The last "
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
    began = time.monotonic()
    await asyncio.gather(
        _loaded(bench, others),
        *(
            bench.look(
                "live funnel",
                lives[funnel.pipeline, kind],
                partial(bench.live_cells, funnel, kind),
                began,
            )
            for funnel in bench.funnels
            for kind in LIVE
        ),
    )


async def _loaded(bench: Bench, tabs: list[Tab]) -> None:
    """Take the moments of pages that are loaded anew: two closed windows, a run, and the list of pipelines."""
    site, connection = bench.site, bench.connection
    for tab in tabs[:2]:
        funnel, window, _ = await _some_window(bench)
        address = site.url(funnel, _SHORT, at=window.start.isoformat())
        await bench.look(
            "closed window",
            tab,
            partial(bench.closed_cells, funnel, window.start, _SHORT),
            time.monotonic(),
            address,
        )
    _, window, exact = await _some_window(bench)
    both = _both_of(run_cells(window), run_cells(exact))
    await bench.look("run", tabs[2], both, time.monotonic(), f"{site.address}/windows/{window.run_id}")
    async with bench.turn:
        rows = await connection.fetch(statement("web_pipelines"))
    stages = pipeline_cells((row["pipeline_id"], row["stages"]) for row in rows)
    await bench.look("pipelines", tabs[3], _both_of(stages, stages), time.monotonic(), f"{site.address}/?q=")


def _both_of(view: Cells, exact: Cells) -> Expectations:
    async def both() -> tuple[Cells, Cells]:
        return view, exact

    return both


async def _some_window(bench: Bench) -> tuple[Funnel, Counted, Counted]:
    """Return a closed window by the view and by the canonical SQL; both are equal unless a revision takes too long."""
    until = time.monotonic() + PATIENCE
    while True:
        funnel = bench.draw.choice(bench.funnels)
        async with bench.turn:
            windows = settled(await closed(bench.connection, funnel, _SHORT), datetime.now(UTC), _SETTLED)
            window = bench.draw.choice(windows[:_NEWEST])
            exact = await canonical(bench.connection, funnel, window)
        if exact == window or time.monotonic() > until:
            return funnel, window, exact
        await asyncio.sleep(LOOK_EVERY)


async def _mark(connection: OwnConnection, marker: Funnel) -> None:
    """Commit a marker and wait until the live view has the whole marker."""
    now = datetime.now(UTC)
    before = await connection.fetchval(statement("web_flushed"), marker.tenant)
    rows = [(uuid4(), marker.tenant, uuid4(), marker.pipeline, marker.stages[0], now) for _ in range(_MARKER)]
    await connection.execute(statement("web_enter"), *map(list, zip(*rows, strict=True)))
    until = time.monotonic() + PATIENCE
    while await connection.fetchval(statement("web_flushed"), marker.tenant) < before + _MARKER:
        if time.monotonic() > until:
            raise BenchError(f"a marker was not in the live view {PATIENCE:.0f} s after its commit")
        await asyncio.sleep(LOOK_EVERY)


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
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        view, exact = await bench.live_cells(funnel, "day")
        shown = await cells_in(tab)
        if not differing(shown, view) and differing(shown, exact):
            return True
        await asyncio.sleep(LOOK_EVERY)
    return False
