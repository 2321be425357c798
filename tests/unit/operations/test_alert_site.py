"""The metrics of a process of alerts, and its health."""

from datetime import UTC, datetime

from streams.alerts.delivery.reading import ReceiverReading
from streams.alerts.overview import Overview
from streams.domain.detection.calibration import Meter
from streams.operations.alert_metrics import AlertMetrics, AlertReading, Sent
from streams.operations.alert_site import troubles, warnings
from tests.fakes.alerts import transition
from tests.unit.operations import scrapes

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
READING = AlertReading(
    is_active=True,
    silent=0.4,
    held="nothing is proven",
    broken=("rules.toml:1:1: is no TOML",),
    overview=Overview(
        None,
        {"firing": 2, "pending": 0, "held": 1, "silenced": 0},
        [
            ReceiverReading("hook", True, 3, NOON, "down", 1, 90.0),  # noqa: FBT003 - a row
            ReceiverReading("kafka", True, 0, None, None, 0, None),  # noqa: FBT003 - a row
        ],
    ),
    sent={"hook": Sent(5, 7)},
    meters={"fell": Meter(400, 60)},
)


def full() -> AlertMetrics:
    metrics = AlertMetrics()
    metrics.count_look(0.2, [transition(rule="fell", step="fired"), transition(rule="fell", step="fired")])
    metrics.reading = READING
    return metrics


def test_a_scrape_shows_looks_alerts_and_receivers() -> None:
    samples = scrapes.shown(full().registry)
    expected = {
        "funnelproof_alerts_evaluating": 1,
        "funnelproof_alert_look_duration_seconds_count": 1,
        "funnelproof_alert_look_age_seconds": 0.4,
        "funnelproof_alert_transitions_total['fell', 'fired']": 2,
        "funnelproof_alerts['firing']": 2,
        "funnelproof_alerts['held']": 1,
        "funnelproof_alerts_held": 1,
        "funnelproof_alert_rules_broken": 1,
        "funnelproof_alert_receiver_waiting['hook']": 3,
        "funnelproof_alert_receiver_oldest_age_seconds['hook']": 90,
        "funnelproof_alert_receiver_oldest_age_seconds['kafka']": 0,
        "funnelproof_alert_receiver_given_up['hook']": 1,
        "funnelproof_alert_receiver_delivered_total['hook']": 5,
        "funnelproof_alert_receiver_failures_total['hook']": 7,
        "funnelproof_alert_rule_windows_total['fell']": 400,
        "funnelproof_alert_rule_surprising_windows_total['fell']": 60,
        "funnelproof_alert_rule_flagged['fell']": 1,
    }
    assert {name: samples[name] for name in expected} == expected


def test_what_postgres_did_not_tell_is_absent_and_not_zero() -> None:
    samples = scrapes.shown(AlertMetrics().registry)
    assert samples["funnelproof_alerts_evaluating"] == 0
    assert not [
        name for name in samples if name.startswith(("funnelproof_alerts[", "funnelproof_alert_receiver"))
    ]


def test_a_process_fails_when_it_cannot_look_or_hangs_and_else_only_warns() -> None:
    assert troubles(READING) == []
    assert warnings(READING) == [
        "nothing is decided: nothing is proven",
        "the former rules hold: rules.toml:1:1: is no TOML",
    ]
    assert troubles(AlertReading(trouble="refused")) == ["alerts cannot be evaluated: refused"]
    assert troubles(AlertReading(silent=31))[0].startswith("no look for 31 s")
