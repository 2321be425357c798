"""Comparisons while the CRM is busy: no false difference, and no run undecided for long once the run is quiet."""

import asyncio
import json
import time
from collections.abc import Mapping

from bench.measures.finding import Finding, Setting
from bench.measures.installation import crm, installed, output, writing
from bench.servers import connected
from bench.statements import statement

_RATE = 500
_CORRECTED_PERCENT = 10
_COMPARISONS = 20
_KINDS = ("10s", "1m", "hour")
_WARM_UP = 60.0
_PATIENCE = 30.0
"""The most seconds for which a run may stay undecided once nobody writes."""


async def measure(setting: Setting) -> Finding:
    """Compare again and again under writes, then once nobody writes."""
    servers, folder = setting.servers, setting.folder / "comparisons"
    outcomes: list[Mapping[str, object]] = []
    async with (
        servers.database("bench_comparisons") as dsn,
        crm(dsn),
        installed(servers, dsn, dsn, folder, _KINDS) as installation,
        connected(dsn) as connection,
    ):
        async with writing(dsn, _RATE, setting.folder, _CORRECTED_PERCENT):
            await asyncio.sleep(_WARM_UP)
            outcomes += [await _compare(installation.environment) for _ in range(_COMPARISONS)]
        rows, corrected = await connection.fetchrow(statement("corrected")) or (0, 0)
        quiet = time.monotonic()
        while (last := await _compare(installation.environment))["outcome"] != "equal":
            if last["outcome"] == "different" or time.monotonic() - quiet > 2 * _PATIENCE:
                break
        outcomes.append(last)
    return Finding(
        f"{_COMPARISONS} comparisons of all closed windows under {_RATE} writes/s",
        f"{_CORRECTED_PERCENT} % of the writes move an entry in time, most of them in closed windows. Windows of "
        f"{', '.join(_KINDS)}. Quiet: the first comparison that began after the last write, and was equal.",
        [
            _row("under writes", outcomes[:-1], rows, corrected, None),
            _row("quiet", outcomes[-1:], rows, corrected, round(time.monotonic() - quiet, 1)),
        ],
    )


async def _compare(environment: Mapping[str, str]) -> Mapping[str, object]:
    began = time.monotonic()
    told = await output(environment, "reconcile", "--json")
    return {**json.loads(told), "seconds": time.monotonic() - began}


def _row(
    what: str,
    outcomes: list[Mapping[str, object]],
    rows: int,
    corrected: int,
    quiet: float | None,
) -> dict[str, object]:
    names = [str(each["outcome"]) for each in outcomes]
    seconds = sorted(float(str(each["seconds"])) for each in outcomes)
    return {
        "when": what,
        "entries": rows,
        "corrections": corrected,
        "comparisons": len(outcomes),
        "equal": names.count("equal"),
        "undecided": names.count("undecided"),
        "different": names.count("different"),
        "runs of the last": outcomes[-1]["runs"],
        "median s": round(seconds[len(seconds) // 2], 1),
        "s until equal": quiet if quiet is not None else "",
    }
