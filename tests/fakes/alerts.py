"""Transitions of alerts for tests."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from streams.alerts.transition import Evidence, Step, Transition, alert_id_of

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
TENANT = UUID("aaaaaaaa-0000-4000-8000-00000000000a")
PIPELINE = UUID("bbbbbbbb-0000-4000-8000-00000000000b")
STAGES = UUID("cccccccc-0000-4000-8000-000000000001"), UUID("cccccccc-0000-4000-8000-000000000002")
EVIDENCE = Evidence(
    tenant="ACME",
    pipeline="Sales",
    from_stage="Qualified",
    to_stage="Demo",
    entered=200,
    converted=12,
    expected=41.2,
    low=31.0,
    high=52.0,
    rate=0.06,
    expected_rate=0.206,
    drop=0.3,
    odds=4400.0,
    budget="1 per pipeline per month",
    since=NOON,
    age=timedelta(hours=14),
    completeness="proven",
)


def transition(
    step: Step = "fired",
    number: int = 1,
    *,
    pipeline: UUID = PIPELINE,
    evidence: Evidence | None = None,
    **given: Any,  # noqa: ANN401 - any field
) -> Transition:
    """A step of an alert about the fall of a conversion rate."""
    known: dict[str, Any] = {
        "alert_id": alert_id_of("conversion drops", "day", TENANT, pipeline, *STAGES),
        "number": number,
        "rule": "conversion drops",
        "kind": "drop",
        "step": step,
        "at": NOON,
        "decided_at": NOON + timedelta(seconds=1),
        "severity": "warning",
        "evidence": EVIDENCE if evidence is None else evidence,
        "tenant_id": TENANT,
        "pipeline_id": pipeline,
        "from_stage_id": STAGES[0],
        "to_stage_id": STAGES[1],
        "window_name": "day",
        "window_start": NOON.replace(hour=0),
        "window_end": NOON.replace(hour=0) + timedelta(days=1),
        "source_lsn": "0/16B3748",
        "runbook": "https://wiki.example/funnel",
    }
    return Transition(**known | given)


def evidence(**given: Any) -> Evidence:  # noqa: ANN401 - any field
    """The usual evidence with some numbers changed."""
    return msgspec.structs.replace(EVIDENCE, **given)


def storm(size: int, *, tenant: UUID = TENANT, first: int = 0) -> list[Transition]:
    """As many alerts that fire, each of a pipeline of its own."""
    pipelines = [UUID(int=(tenant.int >> 64 << 64) + first + number) for number in range(size)]
    return [transition(pipeline=pipeline, tenant_id=tenant) for pipeline in pipelines]


@dataclass
class Clock:
    """A clock that a test moves."""

    at: datetime = field(default=NOON + timedelta(minutes=1))

    def __call__(self) -> datetime:
        return self.at

    def move(self, length: timedelta) -> None:
        """Let time pass."""
        self.at += length
