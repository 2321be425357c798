"""The part of `funnelproof status` about alerts."""

from dataclasses import asdict

from rich.table import Table
from rich.text import Text

from streams.alerts.delivery.reading import ReceiverReading
from streams.alerts.overview import Overview
from streams.domain.duration import spell
from streams.terminal.shapes import printable


def alerts_as_json(found: Overview) -> dict[str, object]:
    """Return the part as an object of JSON."""
    return {
        "evaluated": found.is_evaluated,
        "evaluator": None if found.evaluator is None else asdict(found.evaluator),
        **found.states,
        "receivers": [asdict(each) for each in found.receivers],
    }


def add_alerts(lines: Table, found: Overview) -> None:
    """Add the part to the lines of `status`."""
    last = found.evaluator
    if last is None:
        lines.add_row("alerts", "nobody has evaluated yet: start `funnelproof alerts run`")
        return
    if last.is_active:
        lines.add_row("alerts", f"evaluated by {last.evaluator}, {last.age:.1f} s ago")
    else:
        told = f"nobody evaluates; last {last.evaluator}, {spell(last.age)} ago"
        lines.add_row("alerts", Text(told, style="yellow"))
    lines.add_row("", ", ".join(f"{count} {state}" for state, count in found.states.items()))
    if last.held is not None and last.held_since is not None:
        since = spell((last.looked_at - last.held_since).total_seconds())
        lines.add_row("", Text(f"nothing is decided, for {since}: {printable(last.held)}", style="yellow"))
    for mistake in last.broken_rules:
        lines.add_row("", Text(f"the former rules hold: {printable(mistake)}", style="red"))
    for receiver in found.receivers:
        lines.add_row("receiver", _receiver(receiver))


def _receiver(receiver: ReceiverReading) -> Text:
    name = printable(receiver.name) + ("" if receiver.known else " (not in the rule file)")
    told = [f"{receiver.waiting} wait"]
    if receiver.age is not None:
        told.append(f"the oldest for {spell(receiver.age)}")
    if receiver.last_error is not None:
        told.append(f"last error: {printable(receiver.last_error)}")
    if receiver.given_up:
        told.append(f"{receiver.given_up} given up")
    troubled = receiver.last_error is not None or receiver.given_up > 0
    return Text(f"{name}: {', '.join(told)}", style="red" if troubled else "")
