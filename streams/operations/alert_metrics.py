"""Every metric of a process of alerts. docs/operations.md says how to react to each metric.

Looks and transitions are counted as they happen. Everything else is read at each scrape.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from streams.alerts.overview import Overview
from streams.alerts.service import AlertService
from streams.alerts.transition import Transition
from streams.domain.detection.calibration import Meter
from streams.operations.exposition import process_registry

_LOOK_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


@dataclass(frozen=True)
class Sent:
    """The work of a sender since the start, in transitions and failed attempts."""

    delivered: int
    failures: int


@dataclass(frozen=True)
class AlertReading:
    """A process of alerts at a moment.

    `silent`: the seconds since the last look. `overview` is None without an answer of Postgres. `sent` is by receiver,
    `meters` are by rule.
    """

    is_active: bool = False
    silent: float = 0.0
    trouble: str | None = None
    held: str | None = None
    broken: Sequence[str] = ()
    overview: Overview | None = None
    sent: dict[str, Sent] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)


def read_alerts(service: AlertService, overview: Overview | None, now: float) -> AlertReading:
    """Return the values of a process at `now` (of `time.monotonic`)."""
    broken = service.rules.broken
    return AlertReading(
        service.active,
        now - service.looked_at,
        service.trouble.why,
        service.evaluator.held if service.active else None,
        () if broken is None else broken.mistakes,
        overview,
        {each.name: Sent(each.delivered, each.failures) for each in service.senders},
        service.evaluator.meters,
    )


class AlertMetrics:
    """The counters of a process of alerts. `registry` adds the metrics of the process and of `reading`."""

    def __init__(self) -> None:
        registry = self.registry = process_registry()
        # The count is the number of looks. A process that stands by does not look.
        self.look_seconds = Histogram(
            "funnelproof_alert_look_duration_seconds",
            "How long looks took.",
            buckets=_LOOK_BUCKETS,
            registry=registry,
        )
        self.transitions = Counter(
            "funnelproof_alert_transitions_total",
            "Transitions of alerts by rule and step.",
            ["rule", "step"],
            registry=registry,
        )
        self.reading = AlertReading()
        registry.register(self)

    def count_look(self, seconds: float, transitions: Sequence[Transition]) -> None:
        """Count a look; see OnLook."""
        self.look_seconds.observe(seconds)
        for each in transitions:
            self.transitions.labels(each.rule, each.step).inc()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of `reading`, for the registry."""
        yield from _of_the_process(self.reading)
        if self.reading.overview is not None:
            yield from _of_the_alerts(self.reading.overview)
        yield from _of_the_senders(self.reading)
        yield from _of_the_rules(self.reading)


def _of_the_process(now: AlertReading) -> Iterator[Metric]:
    # One process of an installation evaluates; others stand by with 0.
    yield GaugeMetricFamily(
        "funnelproof_alerts_evaluating", "Whether this process evaluates.", value=now.is_active
    )
    yield GaugeMetricFamily(
        "funnelproof_alert_look_age_seconds", "Time since the last look.", value=max(0.0, now.silent)
    )
    # `status` has the reason.
    yield GaugeMetricFamily(
        "funnelproof_alerts_held", "Whether nothing is decided now.", value=now.held is not None
    )
    # The former rules hold meanwhile; `status` has the mistakes.
    yield GaugeMetricFamily(
        "funnelproof_alert_rules_broken", "Whether the rule file is broken.", value=bool(now.broken)
    )


def _of_the_alerts(overview: Overview) -> Iterator[Metric]:
    on = GaugeMetricFamily("funnelproof_alerts", "Alerts that are on, by state.", labels=["state"])
    for state, count in overview.states.items():
        on.add_metric([state], count)
    yield on
    waiting = GaugeMetricFamily(
        "funnelproof_alert_receiver_waiting", "Transitions that wait for a receiver.", labels=["receiver"]
    )
    ages = GaugeMetricFamily(
        "funnelproof_alert_receiver_oldest_age_seconds",
        "Age of the oldest waiting transition; 0 while none waits.",
        labels=["receiver"],
    )
    given_up = GaugeMetricFamily(
        "funnelproof_alert_receiver_given_up",
        "Transitions that will not be delivered any more.",
        labels=["receiver"],
    )
    for each in overview.receivers:
        waiting.add_metric([each.name], each.waiting)
        ages.add_metric([each.name], each.age or 0.0)
        given_up.add_metric([each.name], each.given_up)
    yield waiting
    yield ages
    yield given_up


def _of_the_senders(now: AlertReading) -> Iterator[Metric]:
    delivered = CounterMetricFamily(
        "funnelproof_alert_receiver_delivered", "Transitions that a receiver took.", labels=["receiver"]
    )
    failures = CounterMetricFamily(
        "funnelproof_alert_receiver_failures", "Attempts that failed.", labels=["receiver"]
    )
    for name, sent in now.sent.items():
        delivered.add_metric([name], sent.delivered)
        failures.add_metric([name], sent.failures)
    yield delivered
    yield failures


def _of_the_rules(now: AlertReading) -> Iterator[Metric]:
    windows = CounterMetricFamily(
        "funnelproof_alert_rule_windows", "Closed windows of pairs that a rule has judged.", labels=["rule"]
    )
    surprising = CounterMetricFamily(
        "funnelproof_alert_rule_surprising_windows",
        "Judged windows with evidence of 20 to 1 or more for a fall.",
        labels=["rule"],
    )
    # More than 5 % of the windows surprise, and that is no chance: the rule does not fit the traffic.
    flagged = GaugeMetricFamily(
        "funnelproof_alert_rule_flagged", "Whether windows surprise a rule too often.", labels=["rule"]
    )
    for rule, meter in now.meters.items():
        windows.add_metric([rule], meter.windows)
        surprising.add_metric([rule], meter.surprising)
        flagged.add_metric([rule], meter.flagged)
    yield windows
    yield surprising
    yield flagged
