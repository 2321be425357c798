"""A transition of an alert: the one fact that is stored, published and told to people."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid5

import msgspec

Kind = Literal["drop", "traffic", "below", "health"]
"""The kind of a rule; `health` is an alert of funnelproof about itself, for example about a missing proof."""

Step = Literal["fired", "resolved", "retracted", "held", "released", "invalid"]
"""The change of an alert's state.

`fired`, `resolved` and `retracted` are verdicts: an alert is on from `fired` to `resolved` or `retracted`. The other
steps say whether there can be a verdict: there is none from `held` (the data are unproven) or `invalid` (the rule names
a stage that is gone) to `released`.
"""

VERDICTS: frozenset[Step] = frozenset({"fired", "resolved", "retracted"})
"""The steps of the verdict; all other steps are of the hold."""

_ALERTS = UUID("2f0f1f9c-7c1b-5d0e-9f55-6a1c5f0d9b61")


def alert_id_of(rule: str, window_name: str | None, *scope: UUID | None) -> UUID:
    """Return the identifier of an alert: a rule's watch over one pair of stages in one kind of window.

    `scope` is the tenant, the pipeline, the stage that deals come from and the stage that deals go to; None for a part
    that the rule does not look at.
    """
    return uuid5(_ALERTS, msgspec.json.encode([rule, window_name, *scope]).decode())


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers behind a transition. None: the number does not exist for this kind of rule or this step.

    Names are the names of the moment; None where a thing has no name.
    """

    tenant: str | None = None
    pipeline: str | None = None
    from_stage: str | None = None
    to_stage: str | None = None
    entered: int | None = None
    """Deals that entered the first stage, as far as visible."""
    converted: int | None = None
    """Deals of `entered` that converted, as far as visible."""
    expected: float | None = None
    """The number in the place of `converted` (of `entered` for `traffic`) that the past lets expect."""
    low: float | None = None
    """The lower end of the interval around `expected`."""
    high: float | None = None
    """The upper end of the interval around `expected`."""
    rate: float | None = None
    """The conversion rate, between 0 and 1."""
    expected_rate: float | None = None
    """The conversion rate that the past lets expect, between 0 and 1; for `below` the rule's rate."""
    drop: float | None = None
    """The relative fall that the rule is about, between 0 and 1."""
    odds: float | None = None
    """The evidence for a fall against no fall: 4400.0 stands for 4400 to 1."""
    budget: str | None = None
    """The rule's false alarms, for example "1 per pipeline per month"."""
    since: datetime | None = None
    """The source's time at which the alert fired."""
    age: timedelta | None = None
    """The time of the window that has passed at `Transition.at`."""
    revision: int | None = None
    """The revision of the run; None while the window is open."""
    completeness: Literal["proven", "estimated"] | None = None
    reason: str | None = None
    """The reason for `held`, `invalid`, `retracted`, and of an alert of kind `health`."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an alert, decided once.

    `number` counts the steps of the alert `alert_id` from 1. `at` is the source's time that the decision is about,
    `decided_at` the report database's time of the decision. `run_id` is the run that the decision rests on, None for an
    open window; `source_lsn` is the position up to which the source was proven, as Postgres writes positions.
    """

    alert_id: UUID
    number: int
    rule: str
    kind: Kind
    step: Step
    at: datetime
    decided_at: datetime
    severity: str
    evidence: Evidence
    tenant_id: UUID | None = None
    pipeline_id: UUID | None = None
    from_stage_id: UUID | None = None
    to_stage_id: UUID | None = None
    window_name: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None
    run_id: UUID | None = None
    source_lsn: str | None = None
    runbook: str | None = None

    @property
    def event_id(self) -> UUID:
        """The identifier of the step, equal whoever computes the identifier and however often."""
        return uuid5(self.alert_id, str(self.number))

    @property
    def is_verdict(self) -> bool:
        """True if the step belongs to the alert's verdict, not to its hold."""
        return self.step in VERDICTS
