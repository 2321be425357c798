"""The answers about alerts."""

from datetime import datetime
from uuid import UUID

from streams.web.model import Answer


class Alert(Answer):
    """An alert that is on. The numbers are those of the detector's last look: counts, rates, and the evidence as odds.

    `state`: `pending`, `firing`, `held` (no verdict can be given now: `held` says why) or `silenced`.
    `dropping_since`: the begin of the first window under suspicion.
    """

    alert_id: UUID
    rule: str
    kind: str
    severity: str
    state: str
    tenant_id: UUID
    tenant: str | None
    pipeline_id: UUID
    pipeline: str | None
    window_name: str
    window_start: datetime
    window_end: datetime
    from_stage_id: UUID
    from_stage: str | None
    to_stage_id: UUID | None
    to_stage: str | None
    entered_count: int | None
    converted_count: int | None
    expected_count: float | None
    expected_low: float | None
    expected_high: float | None
    conversion_rate: float | None
    expected_rate: float | None
    odds: float | None
    budget: str | None
    active_since: datetime | None
    fired_at: datetime | None
    held: str | None
    silenced_until: datetime | None
    dropping_since: datetime | None


class AlertEvent(Answer):
    """A transition of an alert: fired, resolved, retracted, held, released or invalid, with the run it rests on."""

    event_number: int
    event_id: UUID
    alert_id: UUID
    rule: str
    kind: str
    transition: str
    at: datetime
    severity: str
    tenant_id: UUID | None
    tenant: str | None
    pipeline_id: UUID | None
    pipeline: str | None
    window_name: str | None
    window_start: datetime | None
    window_end: datetime | None
    from_stage_id: UUID | None
    from_stage: str | None
    to_stage_id: UUID | None
    to_stage: str | None
    rate: float | None
    expected_rate: float | None
    reason: str | None
    run_id: UUID | None
    runbook: str | None
