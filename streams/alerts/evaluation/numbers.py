"""The numbers behind a transition: what was seen, what was expected, and how sure the difference is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import msgspec

from streams.alerts.rules import BelowRule, Rule, TrafficRule
from streams.alerts.scope import Funnels, Stream
from streams.alerts.transition import Evidence
from streams.domain.detection.account import Account, account, odds, traffic_account
from streams.domain.detection.detector import Detector
from streams.domain.detection.evidence import DropHypotheses
from streams.domain.detection.look import Look
from streams.domain.detection.profile import Profile, Rows
from streams.domain.detection.traffic import TrafficHypotheses
from streams.domain.windows import MICROSECOND, from_microseconds
from streams.store.labels import Labels


@dataclass(frozen=True)
class Names:
    """The names of things for people: labels, and stages by id."""

    labels: Labels
    stages: Mapping[str, str | None]

    @classmethod
    def among(cls, known: Funnels) -> "Names":
        """Return the names of an installation."""
        return cls(known.labels, known.stages)

    def of(self, rule: Rule, stream: Stream, evidence: Evidence) -> Evidence:
        """Return the evidence with the names of a stream, and with the drop and the budget of the rule."""
        return msgspec.structs.replace(
            evidence,
            tenant=self.labels.tenants.get(stream.scope.tenant_id),
            pipeline=self.labels.pipelines.get(stream.scope.pipeline_id),
            from_stage=self.stages.get(stream.from_stage),
            to_stage=None if stream.to_stage is None else self.stages.get(stream.to_stage),
            drop=None if isinstance(rule, BelowRule) else rule.drop,
            budget=None if isinstance(rule, BelowRule) else str(rule.false_alarms),
        )


def accounts(detector: Detector, profile: Profile, age: int, pairs: Rows | slice) -> Account:
    """Return what a look at an age saw and what was expected, for some pairs."""
    under = detector.under
    if isinstance(under, DropHypotheses):
        return account(profile[pairs], under.expected[pairs], age)
    if isinstance(under, TrafficHypotheses):
        return traffic_account(profile[pairs], under[pairs], age)
    raise TypeError(f"no account of {type(under).__name__}")


def numbers(
    rule: Rule, detector: Detector, told: Account, place: int, look: Look, row: int, passed: int
) -> Evidence:
    """Return the numbers of one pair, which has a place in `told`; `passed` is the window's age in microseconds."""
    entered, converted, expected = (
        float(values[place]) for values in (told.entered, told.converted, told.expected)
    )
    state = detector.state
    since = int(state.since[row]) if state.windows[row] > 0 else state.open
    of_rate = not isinstance(rule, TrafficRule)
    return Evidence(
        entered=round(entered),
        converted=round(converted) if of_rate else None,
        expected=round(expected, 2),
        low=float(told.low[place]),
        high=float(told.high[place]),
        rate=_share(converted, entered) if of_rate else None,
        expected_rate=_share(expected, entered) if of_rate else None,
        odds=odds_of(float(look.log_evidence[row])),
        since=None if since is None else from_microseconds(since),
        age=passed * MICROSECOND,
        completeness="proven",
    )


def odds_of(log_evidence: float) -> float | None:
    """Return evidence as odds; None without evidence."""
    return float(odds(log_evidence)) if isfinite(log_evidence) else None


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 else None
