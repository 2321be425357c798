"""How long after a window's end its facts are visible, and where that time goes, through the real connector."""

import asyncio
import time
from datetime import datetime, timedelta

from bench.errors import BenchError
from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, writing
from bench.measures.latency import quantiles
from bench.servers import connected
from bench.statements import statement
from streams.store.database import OwnConnection

_RATE = 500
_KIND, _LENGTH = "2s", timedelta(seconds=2)
_STEPS = ("marker", "progress", "publish")
_LOOK_EVERY = 0.004
_HOPELESS = 60.0
_WARM_UP = 5.0


async def measure(setting: Setting) -> Finding:
    """Have windows of two seconds close beside the default kinds, while nothing is written, then while much is."""
    servers = setting.servers
    folder = setting.folder / "proof"
    windows = (_KIND, "hour", "day", "week", "month")
    async with (
        servers.database("bench_proof") as dsn,
        crm(dsn),
        installed(servers, dsn, dsn, folder, windows),
        connected(dsn) as reader,
    ):
        await asyncio.sleep(_WARM_UP)
        rows = await _closes(reader, "idle", setting.seconds)
        async with writing(dsn, _RATE, folder):
            await asyncio.sleep(_WARM_UP)
            rows += await _closes(reader, f"{_RATE} rows/s", setting.seconds)
    return Finding(
        "From a window's end to its facts",
        f"Windows of {_LENGTH.seconds} s beside the default kinds, other settings default, all servers on this "
        f"machine, {setting.seconds:.0f} s each; rows are written in 50 transactions/s. Until stage_conversion_current "
        f"shows the window, by the database's clock, asked every {_LOOK_EVERY * 1000:.0f} ms. The steps are those of "
        "the same proofs, as the worker notes them; publish is without the commit.",
        rows,
    )


async def _closes(reader: OwnConnection, load: str, seconds: float) -> list[dict[str, object]]:
    """Look at one window after the other; return the quantiles of the whole and of its steps."""
    start = await next_window(reader, _LENGTH)
    until = time.monotonic() + seconds
    visible: list[float] = []
    steps: dict[str, list[float]] = {step: [] for step in _STEPS}
    while time.monotonic() < until:
        visible.append(await until_visible(reader, _KIND, start, _LENGTH))
        start += _LENGTH
        for step, took in (await _steps(reader)).items():
            steps[step].append(took)
    parts = {"end to visible": visible, **steps}
    return [
        {"load": load, "what": what, "windows": len(taken), **quantiles(taken)}
        for what, taken in parts.items()
    ]


async def next_window(reader: OwnConnection, length: timedelta) -> datetime:
    """Return the start of the window of a fixed length that begins next."""
    start: datetime = await reader.fetchval(statement("window_next"), length)
    return start


async def until_visible(reader: OwnConnection, kind: str, start: datetime, length: timedelta) -> float:
    """Wait for the window's end and then for its facts; return the seconds between."""
    end = start + length
    await asyncio.sleep(max(0.0, await reader.fetchval(statement("window_left"), end)))
    until = time.monotonic() + _HOPELESS
    while (seconds := await reader.fetchval(statement("window_visible"), kind, start, end)) is None:
        if time.monotonic() > until:
            raise BenchError(f"a window was not closed {_HOPELESS:.0f} s after its end")
        await asyncio.sleep(_LOOK_EVERY)
    return float(seconds)


async def _steps(reader: OwnConnection) -> dict[str, float]:
    row = await reader.fetchrow(statement("prover_steps"))
    return {step: row[step] for step in _STEPS} if row else {}
