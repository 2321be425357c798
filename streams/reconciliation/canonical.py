"""The canonical counts of many windows at once.

`sql/canonical/stage_conversion` defines the counts of a single pipeline and window. The statement of this module counts
many windows in a single pass over the entries. A test holds the two statements equal.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from streams.reconciliation.result import ClosedRun, Counts, Key, Pair
from streams.resources import sql
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, columns

TenantWindow = tuple[UUID, datetime, datetime]
"""`(tenant_id, window_start, window_end)`."""
PipelinePair = tuple[UUID, UUID, UUID, UUID]
"""`(tenant_id, pipeline_id, from_stage_id, to_stage_id)`."""


def layers(windows: Iterable[TenantWindow]) -> list[list[TenantWindow]]:
    """Return the windows in layers; within a layer, a tenant's windows do not overlap.

    Windows of a kind overlap after a change of the timezone only. For example, of a tenant's windows `[0:00, 2:00)` and
    `[1:00, 3:00)` the earlier is in the first layer, and the later in the second.
    """
    found: list[list[TenantWindow]] = []
    ends: list[dict[UUID, datetime]] = []
    for window in sorted(set(windows)):
        tenant, start, end = window
        place = next(
            (at for at, last in enumerate(ends) if tenant not in last or last[tenant] <= start), None
        )
        if place is None:
            place = len(found)
            found.append([])
            ends.append({})
        found[place].append(window)
        ends[place][tenant] = end
    return found


async def copy_counts(
    source: Connection,
    windows: Sequence[TenantWindow],
    pairs: Sequence[PipelinePair],
    scope: ClosedScope,
    take: Callable[[bytes], Coroutine[None, None, None]],
) -> None:
    """Give the counts of `windows`, a layer, to `take` as the bytes of a binary COPY.

    The counts are those of the snapshot of the transaction on `source`. A pair without an entry has no row.
    """
    await source.copy_from_query(
        sql("queries/reconciliation/canonical_counts"),
        *_arguments(windows, pairs, scope),
        output=take,
        format="binary",
    )


async def canonical_counts(source: Connection, runs: Collection[ClosedRun]) -> dict[Key, dict[Pair, Counts]]:
    """Return the counts of every pair of `runs` from the snapshot of the transaction on `source`."""
    counts: dict[Key, dict[Pair, Counts]] = {run.key: dict.fromkeys(run.pairs, (0, 0)) for run in runs}
    kinds = {run.window_name for run in runs}
    for kind in kinds:
        some = [run for run in runs if run.window_name == kind]
        pairs = {(run.tenant_id, run.pipeline_id, *pair) for run in some for pair in run.pairs}
        by_window: dict[TenantWindow, set[Key]] = defaultdict(set)
        for run in some:
            by_window[run.tenant_id, run.window_start, run.window_end].add(run.key)
        for layer in layers(by_window):
            rows = await source.fetch(
                sql("queries/reconciliation/canonical_counts"),
                *_arguments(layer, sorted(pairs), ClosedScope()),
            )
            for tenant, pipeline, start, end, a, b, entered, converted in rows:
                key = (tenant, pipeline, kind, start)
                if key in by_window[tenant, start, end] and (a, b) in counts[key]:
                    counts[key][a, b] = entered, converted
    return counts


def _arguments(
    windows: Sequence[TenantWindow], pairs: Sequence[PipelinePair], scope: ClosedScope
) -> list[object]:
    return [
        *columns(windows),
        *(columns(pairs) if pairs else [[]] * 4),
        min(start for _, start, _ in windows),
        max(end for _, _, end in windows),
        scope.tenant_id,
        scope.pipeline_id,
    ]
