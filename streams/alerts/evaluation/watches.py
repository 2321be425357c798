"""The watches of an installation: one for each rule and tiling, with the streams that the rule covers."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streams.alerts.evaluation.floor_watch import FloorWatch
from streams.alerts.evaluation.watch import Watch
from streams.alerts.rules import BelowRule, Rule, Rules, TrafficRule
from streams.alerts.scope import Funnels, Invalid, Stream, cover
from streams.domain.detection.season import season_of
from streams.domain.plan import WindowPlan
from streams.domain.windows import window_kind
from streams.resources import sql
from streams.store.database import Connection

AnyWatch = Watch | FloorWatch
Key = tuple[str, str]
"""The name of a rule, and of a tiling."""


@dataclass(frozen=True)
class Wanted:
    """A watch that the rules want. `digest` differs where the meaning of the rule differs."""

    rule: Rule
    tiling: str
    streams: Sequence[Stream]
    timezone: str

    @property
    def key(self) -> Key:
        """The watch's key."""
        return self.rule.name, self.tiling

    @property
    def place(self) -> tuple[str, str, str]:
        """Rule, kind of window and tiling: where the report database keeps what belongs to the watch."""
        return self.rule.name, self.rule.window, self.tiling

    @property
    def digest(self) -> str:
        """A text that changes with everything that the watch's decisions depend on, besides the streams."""
        meaning = self.rule.model_dump(
            mode="json",
            exclude={"severity", "receivers", "runbook", "tenants", "pipelines", "pairs", "stages"},
        )
        told = json.dumps([meaning, self.timezone], sort_keys=True, default=str)
        return hashlib.sha256(told.encode()).hexdigest()

    def differs_in_streams(self, other: "Wanted") -> bool:
        """Return True if `other` differs from the watch in the streams alone."""
        return self.streams != other.streams and (self.rule, self.timezone) == (other.rule, other.timezone)

    def make(self) -> AnyWatch:
        """Return the watch, which has seen no window yet."""
        if isinstance(self.rule, BelowRule):
            return FloorWatch(self.rule, self.tiling, self.streams)
        season = season_of(self.rule.window, self.timezone, window_kind(self.rule.window, "UTC").length)
        return Watch(self.rule, self.tiling, season, self.streams)


async def read_basis(report: Connection, rules: Rules, plan: WindowPlan, now: int) -> object:
    """Return everything that `wanted` depends on, in short: to read all pipelines of a large installation is slow."""
    digest = await report.fetchrow(sql("queries/alerts/funnels_digest"))
    zones = [[kind.timezone_at(now) for kind in kinds] for kinds in plan.tilings.values()]
    return digest, rules, plan, zones


def wanted(
    rules: Rules, known: Funnels, plan: WindowPlan, now: int
) -> tuple[list[Wanted], list[tuple[Rule, Invalid]]]:
    """Return the watches that the rules want at an instant, and the parts of rules that name something unknown."""
    found: list[Wanted] = []
    invalid: list[tuple[Rule, Invalid]] = []
    for rule in rules.rule:
        coverage = cover(rule, known)
        invalid += [(rule, each) for each in coverage.invalid]
        found += _by_tiling(rule, coverage.streams, known, plan, now)
    return found, invalid


def _by_tiling(
    rule: Rule, streams: Sequence[Stream], known: Funnels, plan: WindowPlan, now: int
) -> Iterator[Wanted]:
    by_tiling: dict[str, list[Stream]] = {}
    reported = {(funnel.scope, pair[0]) for funnel in known.funnels for pair in funnel.pairs}
    for stream in streams:
        # Entries into a stage are known where a reported pair begins with the stage.
        if not isinstance(rule, TrafficRule) or (stream.scope, stream.from_stage) in reported:
            by_tiling.setdefault(plan.tiling_of(stream.scope.tenant_id), []).append(stream)
    for tiling, some in by_tiling.items():
        kind = next(kind for kind in plan.tilings[tiling] if kind.name == rule.window)
        yield Wanted(rule, tiling, sorted(some), kind.timezone_at(now))
