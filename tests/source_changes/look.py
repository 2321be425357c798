"""A look at results in a quiet moment, and what counts as a finding.

A moment is *quiet* when the CRM has written nothing and nobody has changed anything since an instant and a position of
the source's log, the *quiet begin*; a proof has been made since; the window of the quiet begin is closed; and no
closed window waits for a revision. The rows of the source are then those that every proof since the quiet begin
covers, so the canonical SQL over the rows of now is the referee.

A *finding* is one of:

- `lie`: the latest revision of a closed window is called proven, is not what the SQL says, and nobody is told. Told
  means both: `funnelproof status` exits with a status other than 0, and no proof of the quiet time is proven. (An
  unhealthy status for another reason, beside a prover that goes on proving, is not telling.)
- `late`: a run was published on a proof of the quiet time, is called proven, and is not what the SQL says, though by
  the look somebody is told. The doubt came after the result.
- `missing`: a closed window has no run where the SQL counts somebody, and nobody is told.
- `silent`: no quiet moment comes for PATIENCE seconds, or a doubt is noted, and `status` exits with 0.

A result called proven *before* a harmful action may be stale after the action: its promise ends at its position in the
log. The result is a lie only while nothing tells of a doubt. An estimate may be wrong.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from streams.store.doubts import unresolved_doubts
from tests.integration.stream.counts import Counts, Place, canonical
from tests.source_changes.world import WINDOW, World

PATIENCE = 16.0
"""Seconds after which no quiet moment is expected: a window is overdue ten seconds after its end."""
LAG = 1.5
"""Seconds between two looks at something wrong: the second look decides."""

QUIET = """
select
    coalesce((select source_time from funnelproof.prover) > $1, false)
    and not exists (select from funnelproof.touched_window)
    and coalesce(
        (select max(window_end) from funnelproof.time_window where closed_at is not null and window_name = $2) >= $1,
        false
    )
"""
BEGIN = "select clock_timestamp() as instant, pg_current_wal_insert_lsn()::text as position"
LATEST = """
select tenant_id, pipeline_id, window_name, window_start, revision, completeness,
    from_stage_id, to_stage_id, entered_count, converted_count
from dyno_crm.stage_conversion_current
"""
FRESH = """
select run.tenant_id, run.pipeline_id, run.window_name, run.window_start, run.revision, proof.completeness,
    fact.from_stage_id, fact.to_stage_id, fact.entered_count, fact.converted_count
from funnelproof.window_run as run
inner join funnelproof.proof using (proof_id)
inner join dyno_crm.report_stage_conversion_fact as fact using (run_id)
where proof.source_lsn >= $1::text::pg_lsn
"""
CLOSED = """
select closed.window_name, closed.window_start
from funnelproof.time_window as closed, funnelproof.installation
where closed.closed_at is not null and closed.window_end > installation.installed_at
"""
PROVEN_SINCE = """
select coalesce(bool_or(completeness = 'proven' and source_time > $1), false) from funnelproof.prover
"""


@dataclass(frozen=True)
class Quiet:
    """The beginning of a quiet time: an instant, and a position of the log."""

    instant: datetime
    position: str


@dataclass(frozen=True)
class Wrong:
    """A run unlike the SQL; `completeness` is "none" and `revision` 0 for a run that is missing."""

    place: Place
    revision: int
    completeness: str
    facts: Counts
    canonical: Counts

    def __str__(self) -> str:
        """Return the window, what is said, and what the SQL says, as a line."""
        pairs = [
            f"facts {self.facts.get(pair)} SQL {self.canonical.get(pair)}"
            for pair in self.facts.keys() | self.canonical.keys()
            if self.facts.get(pair) != self.canonical.get(pair)
        ]
        return (
            f"{self.place.kind.name} {self.place.start:%H:%M:%S} revision {self.revision} {self.completeness}: "
            + ", ".join(pairs)
        )


@dataclass(frozen=True)
class Finding:
    """A result that must not be; the kinds are listed above."""

    kind: str
    details: tuple[str, ...]


@dataclass
class Look:
    """The result of a look. `doubts` are reasons why results are estimates, or why nothing is proven."""

    windows: int = 0
    wrong: int = 0
    doubts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


async def quiet_begin(world: World) -> Quiet:
    """Return now, after the last write."""
    row = await world.source.fetchrow(BEGIN)
    assert row is not None
    return Quiet(row["instant"], row["position"])


async def look(world: World) -> Look:
    """Wait for a quiet moment, and look."""
    since = await quiet_begin(world)
    settled = await _settle(world, since)
    found = await _read(world, since, settled=settled)
    if found.suspicious:
        await asyncio.sleep(LAG)
        settled = await _settle(world, since)
        found = await _read(world, since, settled=settled)
    return await _judge(world, found)


@dataclass(frozen=True)
class _Found:
    windows: int
    latest: list[Wrong]
    fresh: list[Wrong]
    doubts: list[str]
    to_be_told: bool
    proven_since: bool

    @property
    def proven(self) -> list[Wrong]:
        return [wrong for wrong in self.latest if wrong.completeness == "proven"]

    @property
    def missing(self) -> list[Wrong]:
        return [wrong for wrong in self.latest if wrong.completeness == "none"]

    @property
    def suspicious(self) -> bool:
        return bool(self.proven or self.missing or self.fresh)


async def _settle(world: World, since: Quiet) -> bool:
    end = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < end:
        try:
            if await world.report.fetchval(QUIET, since.instant, WINDOW):
                return True
        except asyncpg.PostgresError:
            await asyncio.sleep(1)
        await asyncio.sleep(0.15)
        world.keep_a_worker()
    return False


async def _read(world: World, since: Quiet, *, settled: bool) -> _Found:
    doubts = [f"{each.kind}: {each.reason}" for each in await unresolved_doubts(world.report)]
    to_be_told = bool(doubts) or not settled
    prover = await world.report.fetchrow("select completeness, reasons from funnelproof.prover")
    if prover is not None and prover["completeness"] != "proven" and not doubts:
        doubts = [f"estimate: {reason}" for reason in prover["reasons"]]
    if not settled:
        doubts.append(f"nothing is proven for {PATIENCE:.0f} s")
    referee = _Referee(world)
    try:
        latest = await referee.wrong(await world.report.fetch(LATEST))
        missing = await referee.missing(await world.report.fetch(CLOSED))
        fresh = await referee.wrong(await world.report.fetch(FRESH, since.position))
    except asyncpg.PostgresError as error:  # the report's SQL itself does not run on the source as it is
        doubts.append(f"no referee: {error}")
        return _Found(0, [], [], doubts, to_be_told=to_be_told, proven_since=False)
    return _Found(
        len(referee.seen),
        latest + missing,
        [wrong for wrong in fresh if wrong.completeness == "proven"],
        doubts,
        to_be_told,
        await world.report.fetchval(PROVEN_SINCE, since.instant),
    )


async def _judge(world: World, found: _Found) -> Look:
    seen = Look(found.windows, len(found.latest), found.doubts)
    if not (found.suspicious or found.doubts):
        return seen
    status, troubles = await world.status()
    told = status != 0 and not found.proven_since
    evidence = (f"status exits with {status}: {'; '.join(troubles) or 'no trouble'}", *found.doubts)
    if found.proven and not told:
        seen.findings.append(Finding("lie", (*map(str, found.proven[:3]), *evidence)))
    elif found.fresh:
        seen.findings.append(Finding("late", (*map(str, found.fresh[:3]), *evidence)))
    if found.missing and not told:
        seen.findings.append(Finding("missing", (*map(str, found.missing[:3]), *evidence)))
    if found.to_be_told and status == 0:
        seen.findings.append(Finding("silent", evidence))
    return seen


class _Referee:
    """Asks the canonical SQL once for every window."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kinds = {kind.name: kind for kind in world.settings.window_kinds}
        self._truth: dict[Place, Counts] = {}
        self.seen: set[Place] = set()

    async def wrong(self, facts: list[Any]) -> list[Wrong]:
        """Return the runs unlike the SQL; `facts` are rows of runs with a pair each."""
        runs: dict[tuple[Place, int, str], Counts] = {}
        for row in facts:
            place = self._place(row["tenant_id"], row["pipeline_id"], row)
            run = runs.setdefault((place, row["revision"], row["completeness"]), {})
            run[row["from_stage_id"], row["to_stage_id"]] = row["entered_count"], row["converted_count"]
        self.seen |= {place for place, _, _ in runs}
        found = [Wrong(*run, counts, await self._canonical(run[0])) for run, counts in runs.items()]
        return [each for each in found if each.facts != each.canonical]

    async def missing(self, closed: list[Any]) -> list[Wrong]:
        """Return the closed windows without a run in which the SQL counts somebody."""
        ids = self._world.crm.funnel.ids
        places = {
            self._place(ids["tenant"], ids[pipeline], row)
            for row in closed
            for pipeline in ("pipeline", "other_pipeline")
        }
        found = [Wrong(place, 0, "none", {}, await self._canonical(place)) for place in places - self.seen]
        return [each for each in found if any(entered for entered, _ in each.canonical.values())]

    def _place(self, tenant: UUID, pipeline: UUID, row: Mapping[str, Any]) -> Place:
        return Place(tenant, pipeline, self._kinds[row["window_name"]], row["window_start"])

    async def _canonical(self, place: Place) -> Counts:
        if place not in self._truth:
            self._truth[place] = await canonical(self._world.source, place, {})
        return self._truth[place]
