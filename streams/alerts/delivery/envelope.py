"""A transition as a CloudEvents 1.0 event in JSON. `schemas/events/alerts.schema.json` describes the event. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from streams.alerts.delivery.links import link_to
from streams.alerts.delivery.words import words_of
from streams.alerts.transition import Transition

TYPE = "funnelproof.alert.v1"
"""The type of the events. A field that goes or changes its meaning makes the type's next version."""
ONE = "application/cloudevents+json"
"""The media type of one event."""
SEVERAL = "application/cloudevents-batch+json"
"""The media type of a list of events."""


class Envelopes:
    """Makes the events of an installation: `instance` is the name, `dashboard` the page's address."""

    def __init__(self, instance: str, dashboard: str | None) -> None:
        self._source = f"urn:funnelproof:{instance}"
        self._dashboard = dashboard

    def one(self, transition: Transition) -> bytes:
        """Return the event of `transition` in JSON."""
        return msgspec.json.encode(self._event(transition))

    def several(self, transitions: Sequence[Transition]) -> bytes:
        """Return a JSON array with the events of `transitions`, in their order."""
        return msgspec.json.encode([self._event(transition) for transition in transitions])

    def _event(self, transition: Transition) -> Mapping[str, object]:
        return {
            "specversion": "1.0",
            "id": transition.event_id,
            "source": self._source,
            "type": TYPE,
            "subject": str(transition.alert_id),
            "time": transition.decided_at,
            "datacontenttype": "application/json",
            "data": self._data(transition),
        }

    def _data(self, transition: Transition) -> Mapping[str, object]:
        evidence = transition.evidence
        link = link_to(self._dashboard, transition)
        return {
            "alert_id": transition.alert_id,
            "number": transition.number,
            "transition": transition.step,
            "summary": words_of(transition, link).headline,
            "rule": transition.rule,
            "kind": transition.kind,
            "severity": transition.severity,
            "at": transition.at,
            "decided_at": transition.decided_at,
            "tenant_id": transition.tenant_id,
            "tenant": evidence.tenant,
            "pipeline_id": transition.pipeline_id,
            "pipeline": evidence.pipeline,
            "from_stage_id": transition.from_stage_id,
            "from_stage": evidence.from_stage,
            "to_stage_id": transition.to_stage_id,
            "to_stage": evidence.to_stage,
            "window_name": transition.window_name,
            "window_start": transition.window_start,
            "window_end": transition.window_end,
            "window_age_seconds": None if evidence.age is None else evidence.age.total_seconds(),
            "entered_count": evidence.entered,
            "converted_count": evidence.converted,
            "expected_count": evidence.expected,
            "expected_low": evidence.low,
            "expected_high": evidence.high,
            "conversion_rate": evidence.rate,
            "expected_rate": evidence.expected_rate,
            "drop": evidence.drop,
            "odds": evidence.odds,
            "budget": evidence.budget,
            "since": evidence.since,
            "run_id": transition.run_id,
            "revision": evidence.revision,
            "completeness": evidence.completeness,
            "source_lsn": transition.source_lsn,
            "reason": evidence.reason,
            "runbook": transition.runbook,
            "link": link,
        }
