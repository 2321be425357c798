"""The alerts that are on, as lines of the picture."""

from collections.abc import Iterator
from datetime import datetime

from rich.text import Text

from streams.terminal.following import Seen
from streams.terminal.shapes import printable
from streams.web.alert_model import Alert
from streams.web.words import moment, percent, stage

_ALERTS = 4
"""The most alerts that have a line."""
_STATES = {"firing": "bold red", "silenced": "magenta", "held": "yellow", "pending": "yellow"}


def alerts(seen: Seen) -> Iterator[Text]:
    """Return a line for each alert of the pipeline, whatever its kind of window, and a line about other pipelines."""
    here = [each for each in seen.alerts if each.pipeline_id == seen.pipeline.pipeline_id]
    here = [each for each in here if each.tenant_id == seen.pipeline.tenant_id]
    for alert in here[:_ALERTS]:
        yield _alert(alert, seen.place.timezone)
    more = len(here) - _ALERTS
    if more > 0:
        yield Text(f"and {more} more alerts: `funnelproof alerts list`")
    if elsewhere := len(seen.alerts) - len(here):
        are = "1 alert is" if elsewhere == 1 else f"{elsewhere} alerts are"
        yield Text(f"{are} on in other pipelines: `funnelproof alerts list`", "yellow")


def _alert(alert: Alert, zone: str) -> Text:
    stages = _stages(alert)
    numbers = ", ".join(
        f"{percent(rate)}{what}"
        for rate, what in ((alert.conversion_rate, ""), (alert.expected_rate, " expected"))
        if rate is not None
    )
    told = [f"{alert.window_name} {stages}", numbers, _since(alert.fired_at or alert.active_since, zone)]
    if alert.held:
        told.append(f"held: {alert.held}")
    told.append(f"rule {alert.rule}")
    return Text.assemble(
        ("Alert ", ""),
        (alert.state, _STATES.get(alert.state, "")),
        printable(f": {', '.join(filter(None, told))}"),
    )


def _stages(alert: Alert) -> str:
    here = stage(alert.from_stage, alert.from_stage_id)
    return here if alert.to_stage_id is None else f"{here} → {stage(alert.to_stage, alert.to_stage_id)}"


def _since(instant: datetime | None, zone: str) -> str:
    return "" if instant is None else f"since {moment(instant, zone)}"
