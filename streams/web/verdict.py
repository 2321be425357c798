"""The sentence at the top of the page: is conversion dropping? Only the detector of alerts may say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from streams.web.alert_model import Alert
from streams.web.intervals import rate_interval
from streams.web.model import Pair

TOO_WIDE = 0.1
"""Half the width of a rate's interval from which the deals are too few to tell: 10 points in either direction."""
SILENT_SECONDS = 120.0
"""Seconds since the last look of the evaluator of alerts after which nobody judges any more."""
_PERCENT = "\N{NO-BREAK SPACE}%"


@dataclass(frozen=True)
class Verdict:
    """The sentence, and its kind for the drawing.

    `dropping`: an alert fires. `calm`: rules judge these windows, and no alert is on. `too_few`: the same, with so few
    deals that little could be seen. `unjudged`: nobody judges, or verdicts are held back.
    """

    kind: Literal["dropping", "calm", "too_few", "unjudged", "loading"]
    text: str
    note: str = ""
    alerts: tuple[Alert, ...] = ()

    def odds(self, from_stage_id: UUID, to_stage_id: UUID) -> float | None:
        """Return how many times better a fall explains the numbers of a pair than no fall; None without an alert."""
        return next(
            (
                alert.odds
                for alert in self.alerts
                if (alert.from_stage_id, alert.to_stage_id) == (from_stage_id, to_stage_id)
            ),
            None,
        )


def verdict_of(
    pairs: Sequence[Pair],
    alerts: Sequence[Alert],
    watch: Mapping[str, Any] | None,
    *,
    is_loading: bool,
) -> Verdict:
    """Return the verdict on a pipeline's windows of a kind.

    `alerts` are on for these windows. `watch` is a row of the statement `watch`, None if no rule judges such windows.
    `is_loading`: not all partitions are counted yet.
    """
    if is_loading:
        return Verdict(
            "loading", "Loading: the counts are not complete yet.", "Workers read the log for the first time."
        )
    firing = tuple(alert for alert in alerts if alert.state in ("firing", "silenced"))
    if firing:
        return Verdict("dropping", _sentence(firing[0]), _rule(firing), firing)
    silent = _why_unjudged(watch)
    if not pairs:
        return Verdict("unjudged", "No verdict.", "The pipeline has fewer than two stages.")
    counts = pairs[0].counts
    if is_too_few(counts.entered, counts.converted):
        deals = (
            "No entry yet"
            if counts.entered == 0
            else "1 entry"
            if counts.entered == 1
            else f"{counts.entered} entries"
        )
        return Verdict("too_few", f"{deals}: too few to tell.", silent or "No alert is on.")
    if silent or watch is None:
        return Verdict("unjudged", "No verdict.", silent)
    rules = "1 rule judges" if watch["rules"] == 1 else f"{watch['rules']} rules judge"
    return Verdict("calm", "No alert is on.", f"{rules} windows of this kind.")


def is_too_few(entered: int, converted: int) -> bool:
    """Return True if the rate's interval is too wide to see a change.

    Example: 20 of 40 converted, so the rate lies between 35 % and 65 %: too few.
    """
    return rate_interval(converted, entered).half_width > TOO_WIDE


def _why_unjudged(watch: Mapping[str, Any] | None) -> str:
    if watch is None:
        return "No rule of alerts has judged such windows yet: run `funnelproof alerts run`."
    if watch["age"] > SILENT_SECONDS:
        return "Nobody evaluates the rules of alerts: run `funnelproof alerts run`."
    return f"Verdicts are held back: {watch['held']}." if watch["held"] else ""


def _rule(firing: Sequence[Alert]) -> str:
    """Return the rule with its budget: `Rule “drop”, false alarms at most 1 per pipeline per month.`."""
    first = firing[0]
    budget = f", false alarms at most {first.budget}" if first.budget else ""
    more = "" if len(firing) == 1 else f" Alerts that are on as well: {len(firing) - 1}."
    return f"Rule “{first.rule}”{budget}.{more}"


def _sentence(alert: Alert) -> str:
    """Return the alert as a sentence, as `Lead → Demo is dropping: 41.2 %, expected 46.0 %`."""
    pair = f"{alert.from_stage or 'a stage'} → {alert.to_stage or 'a stage'}"
    now = "" if alert.conversion_rate is None else f": {100 * alert.conversion_rate:.1f}{_PERCENT}"
    expected = "" if alert.expected_rate is None else f"{100 * alert.expected_rate:.1f}{_PERCENT}"
    match alert.kind:
        case "traffic":
            return f"Fewer deals than expected enter {alert.from_stage or 'a stage'}."
        case "below":
            return f"{pair} is below its floor{now}{f', floor {expected}' if expected else ''}."
        case _:
            return f"{pair} is dropping{now}{f', expected {expected}' if expected else ''}."
