"""The canonical counts of many runs at once.

`sql/canonical/stage_conversion` defines the counts of a single run. The statement of this module counts a whole batch
of runs in a single pass over the entries. A test holds the two statements equal.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from streams.reconciliation.result import ClosedRun, Counts, Pair
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection

Key = tuple[UUID, UUID, str, datetime]
"""`(tenant_id, pipeline_id, window_name, window_start)`."""
TenantWindow = tuple[UUID, datetime, datetime]
"""`(tenant_id, window_start, window_end)`."""


@dataclass(frozen=True)
class Canonical:
    """The counts from the CRM's tables.

    `counts` are the counts of each run. `unreported` are the windows that have entries and no run, with their ends.
    """

    counts: dict[Key, dict[Pair, Counts]] = field(default_factory=dict)
    unreported: dict[Key, datetime] = field(default_factory=dict)


async def canonical_counts(
    source: Connection,
    kind: str,
    runs: Collection[ClosedRun],
    windows: Iterable[TenantWindow],
    scope: ClosedScope,
) -> Canonical:
    """Return the counts of `runs` from the snapshot of the transaction on `source`.

    All runs are of a single window kind. The runs' windows and the further `windows` are also searched for entries
    of pipelines without a run; a window that overlaps an earlier window of the tenant is not searched.
    """
    tiled, others = _tiled(runs, windows)
    counts: dict[Key, dict[Pair, Counts]] = {run.key: {} for run in runs}
    unreported: dict[Key, datetime] = {}
    ends = {(tenant, start): end for tenant, start, end in tiled}
    if tiled:
        pairs = [(run, pair) for run in runs if run.key not in others for pair in run.pairs]
        # The planner cannot estimate these joins, and could choose nested loops that compare all rows with all rows.
        await source.execute("set local enable_nestloop = off")
        rows = await source.fetch(
            sql("queries/reconciliation/reconcile_canonical"),
            *([window[place] for window in tiled] for place in range(3)),
            [run.tenant_id for run, _ in pairs],
            [run.pipeline_id for run, _ in pairs],
            [run.window_start for run, _ in pairs],
            [pair[0] for _, pair in pairs],
            [pair[1] for _, pair in pairs],
            min(start for _, start, _ in tiled),
            max(end for _, _, end in tiled),
            scope.tenant_id,
            scope.pipeline_id,
        )
        for tenant, pipeline, start, from_stage, to_stage, entered, converted in rows:
            key = (tenant, pipeline, kind, start)
            if from_stage is None:
                unreported[key] = ends[tenant, start]
            else:
                counts[key][from_stage, to_stage] = (entered, converted)
    for run in runs:
        if run.key in others:
            counts[run.key] = await _one_by_one(source, run)
    return Canonical(counts, {key: end for key, end in unreported.items() if key not in others})


def _tiled(
    runs: Iterable[ClosedRun], windows: Iterable[TenantWindow]
) -> tuple[list[TenantWindow], frozenset[Key]]:
    """Return windows that do not overlap within a tenant, and the runs of the other windows.

    For example, of a tenant's windows `[0:00, 2:00)` and `[1:00, 3:00)` the earlier is returned, and a run of
    `[1:00, 3:00)` is counted by itself.
    """
    by_tenant: dict[UUID, set[tuple[datetime, datetime]]] = defaultdict(set)
    runs = list(runs)
    for run in runs:
        by_tenant[run.tenant_id].add((run.window_start, run.window_end))
    for tenant, start, end in windows:
        by_tenant[tenant].add((start, end))
    tiled = []
    for tenant, spans in by_tenant.items():
        last = None
        for start, end in sorted(spans):
            if last is None or start >= last:
                tiled.append((tenant, start, end))
                last = end
    known = set(tiled)
    others = (run.key for run in runs if (run.tenant_id, run.window_start, run.window_end) not in known)
    return tiled, frozenset(others)


async def _one_by_one(source: Connection, run: ClosedRun) -> dict[Pair, Counts]:
    pairs = [{"from_stage_id": str(a), "to_stage_id": str(b)} for a, b in run.pairs]
    rows = await source.fetch(
        sql("canonical/stage_conversion"),
        run.tenant_id,
        run.pipeline_id,
        run.window_start,
        run.window_end,
        json.dumps(pairs),
    )
    return {
        (row["from_stage_id"], row["to_stage_id"]): (row["entered_count"], row["converted_count"])
        for row in rows
    }
