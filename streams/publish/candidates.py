"""Runs that may be published: first runs of windows that close, and next revisions of closed windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid5

import asyncpg

from streams.domain.plan import WindowPlan
from streams.domain.windows import Window, from_microseconds, to_microseconds
from streams.resources import sql
from streams.store.database import Connection

_RUNS = UUID("0d0c3c3e-8c62-5b2f-9a55-2f4d1f0e6b11")
REVISIONS_AT_ONCE = 5000
Purpose = Literal["close", "counts", "pairs", "repair", "repair_pairs"]


@dataclass(frozen=True)
class Candidate:
    """A run that may be published: a pipeline, a window, and the window's next revision.

    `purpose` is the reason: `close` closes the window, `counts` follows changed counts, `pairs` follows a request for
    the present pairs, `repair` follows a repair, `repair_pairs` a repair of a run whose list of pairs is in doubt.
    """

    tenant_id: str
    pipeline_id: str
    window: Window
    revision: int
    previous_run_id: UUID | None
    purpose: Purpose

    @property
    def run_id(self) -> UUID:
        """The run's id. Every worker computes an equal id for a given pipeline, window and revision."""
        window = self.window
        return uuid5(
            _RUNS,
            f"{self.tenant_id}/{self.pipeline_id}/{window.name}/{window.start}/{window.end}/{self.revision}",
        )


async def first_runs(connection: Connection, plan: WindowPlan, windows: Sequence[Window]) -> list[Candidate]:
    """Return a first run for each pipeline with pairs, and each of the `windows` that lies in the tenant's tiling.

    A pipeline whose window of equal start has a run already gets no other first run.
    """
    if not windows:
        return []
    pipelines = await connection.fetch(sql("queries/publish/closing_pipelines"))
    rows = await connection.fetch(sql("queries/publish/closing_with_runs"), *columns(windows)[:2])
    known = {(*row[:3], to_microseconds(row[3])) for row in rows}
    return [
        Candidate(row["tenant_id"], row["pipeline_id"], window, 1, None, "close")
        for window in windows
        for row in pipelines
        if plan.has(row["tenant_id"], window)
        and (row["tenant_id"], row["pipeline_id"], window.name, window.start) not in known
    ]


async def next_revisions(connection: Connection, debounce: timedelta) -> list[Candidate]:
    """Return the next revisions of windows that were touched at least `debounce` ago, at most REVISIONS_AT_ONCE.

    A touched window is a closed window marked for revision. Example: `debounce` is 10 s, a closed window's counts
    change at 12:00:00 and again at 12:00:06. A single revision at 12:00:10 publishes both changes.
    """
    rows = await connection.fetch(sql("queries/publish/closing_candidates"), debounce, REVISIONS_AT_ONCE)
    return [
        Candidate(
            row["tenant_id"],
            row["pipeline_id"],
            Window(
                row["window_name"],
                to_microseconds(row["window_start"]),
                to_microseconds(row["window_end"]),
            ),
            row["revision"],
            row["previous_run_id"],
            _purpose(row),
        )
        for row in rows
    ]


def _purpose(touched: asyncpg.Record) -> Purpose:
    if touched["is_repair"]:
        return "repair_pairs" if touched["present_pairs"] else "repair"
    return "pairs" if touched["present_pairs"] else "counts"


def columns(windows: Sequence[Window]) -> list[list[object]]:
    """Return the windows' names, starts and ends, as three columns for `unnest`."""
    return [
        [window.name for window in windows],
        [from_microseconds(window.start) for window in windows],
        [from_microseconds(window.end) for window in windows],
    ]
