"""A transition in words for people: a headline, and a line for each thing to know. Pure.

Names come from the CRM and may hold any character. A name is cleaned here (`clean`), and escaped for its channel by
`plain` or `markdown`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from streams.alerts.transition import Evidence, Kind, Step, Transition

LONGEST_NAME = 80
"""The most characters of a name in a message."""
LONGEST_REASON = 500
"""The most characters of a reason in a message."""
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_MENTION = re.compile(r"@|<(?=[!@#])")
_BREAK = "\u200b"
"""An invisible space: `@channel` behind it calls nobody."""


@dataclass(frozen=True)
class Line:
    """One thing to know. `address`: the text is an address and stays as it is."""

    label: str
    text: str
    address: bool = False


@dataclass(frozen=True)
class Words:
    """A transition in words: the headline names the alert, the lines say the rest."""

    headline: str
    lines: Sequence[Line]


def words_of(transition: Transition, link: str | None) -> Words:
    """Return `transition` in words; `link` leads to the page that shows the alert's window."""
    return Words(_headline(transition), [line for line in _lines(transition, link) if line is not None])


def clean(text: str, longest: int = LONGEST_NAME) -> str:
    """Return `text` in one line, without invisible and control characters, cut to `longest` characters."""
    visible = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    line = " ".join(visible.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def plain(text: str) -> str:
    """Return `text` for a channel of plain text, in which no name calls a person."""
    return _MENTION.sub(lambda found: found[0] + _BREAK, text)


def markdown(text: str) -> str:
    """Return `text` for Markdown: every character stands for itself, and no name calls a person."""
    return _MENTION.sub(lambda found: found[0] + _BREAK, _PUNCTUATION.sub(r"\\\1", text))


_TAKEN_BACK = "Alert taken back: {what} is as expected after a correction"
_VERDICTS: Mapping[Kind, Mapping[Step, str]] = {
    "drop": {"fired": "{What} fell", "resolved": "{What} has recovered", "retracted": _TAKEN_BACK},
    "traffic": {"fired": "{What} fell", "resolved": "{What} has recovered", "retracted": _TAKEN_BACK},
    "below": {
        "fired": "{What} is below{rate}",
        "resolved": "{What} is above the bound again",
        "retracted": _TAKEN_BACK,
    },
    "health": {
        "fired": "funnelproof: {rule}",
        "resolved": "funnelproof: {rule}: over",
        "retracted": "funnelproof: {rule}: taken back",
    },
}
_HOLDS: Mapping[Step, str] = {
    "held": "Alert on hold: no verdict on {what}",
    "released": "Hold over: verdicts on {what} again",
    "invalid": 'Rule "{rule}" cannot be applied',
}


def _headline(transition: Transition) -> str:
    form = (_VERDICTS[transition.kind] if transition.is_verdict else _HOLDS)[transition.step]
    what, rate = _subject(transition), transition.evidence.expected_rate
    return form.format(
        what=what,
        What=what[:1].upper() + what[1:],
        rule=clean(transition.rule),
        rate=" the bound" if rate is None else f" {_percent(rate)}",
    )


def _subject(transition: Transition) -> str:
    """Return the thing that the rule looks at, for example `conversion Qualified -> Demo of pipeline Sales`."""
    evidence = transition.evidence
    first = _name(evidence.from_stage, transition.from_stage_id)
    second = _name(evidence.to_stage, transition.to_stage_id)
    pipeline = _name(evidence.pipeline, transition.pipeline_id)
    if transition.kind == "health" or first is None:
        what = clean(transition.rule)
    elif transition.kind == "traffic" or second is None:
        what = f"the number of deals that enter {first}"
    else:
        what = f"conversion {first} -> {second}"
    return what if pipeline is None else f"{what} of pipeline {pipeline}"


def _lines(transition: Transition, link: str | None) -> list[Line | None]:
    evidence = transition.evidence
    return [
        _counts(transition.kind == "traffic", evidence),
        _line("Reason", evidence.reason and clean(evidence.reason, LONGEST_REASON)),
        _window(transition),
        _line("Since", None if evidence.since is None else _instant(evidence.since)),
        _certainty(evidence),
        _proof(transition),
        _line("Tenant", _name(evidence.tenant, transition.tenant_id)),
        _line("Rule", f"{clean(transition.rule)}, {clean(transition.severity)}"),
        _line("Runbook", transition.runbook, address=True),
        _line("Details", link, address=True),
    ]


def _line(label: str, text: str | None, *, address: bool = False) -> Line | None:
    return Line(label, text, address) if text else None


def _counts(traffic: bool, evidence: Evidence) -> Line | None:
    """Return observed against expected: `12 of 200 converted (6.0 %), expected 41 (31 to 52, 20.5 %)`."""
    if evidence.entered is None:
        return None
    if traffic or evidence.converted is None:
        observed = f"{evidence.entered} entered"
    else:
        rate = "" if evidence.rate is None else f" ({_percent(evidence.rate)})"
        observed = f"{evidence.converted} of {evidence.entered} converted{rate}"
    if evidence.expected is None:
        return Line("Observed", observed)
    around = []
    if evidence.low is not None and evidence.high is not None:
        around.append(f"{_count(evidence.low)} to {_count(evidence.high)}")
    if evidence.expected_rate is not None:
        around.append(_percent(evidence.expected_rate))
    bracket = f" ({', '.join(around)})" if around else ""
    return Line("Observed", f"{observed}, expected {_count(evidence.expected)}{bracket}")


def _window(transition: Transition) -> Line | None:
    if transition.window_start is None or transition.window_end is None:
        return None
    span = f"{_instant(transition.window_start)} to {_instant(transition.window_end)}"
    age = transition.evidence.age
    state = "closed" if transition.run_id is not None or age is None else f"seen at the age of {_length(age)}"
    return Line("Window", f"{clean(transition.window_name or '')} {span}, {state}".lstrip())


def _certainty(evidence: Evidence) -> Line | None:
    parts = []
    if evidence.odds is not None:
        fall = "a fall" if evidence.drop is None else f"a fall by {_percent(evidence.drop)} or more"
        parts.append(f"odds of {_count(evidence.odds)} to 1 for {fall}")
    if evidence.budget:
        parts.append(f"false alarms at most {clean(evidence.budget)}")
    return _line("How sure", "; ".join(parts))


def _proof(transition: Transition) -> Line | None:
    evidence = transition.evidence
    parts = [
        None if evidence.revision is None else f"revision {evidence.revision}",
        evidence.completeness,
        transition.source_lsn and f"complete up to {transition.source_lsn}",
    ]
    return _line("Data", ", ".join(part for part in parts if part))


def _name(name: str | None, identifier: UUID | None) -> str | None:
    """Return the cleaned name; the identifier where there is no name to read."""
    cleaned = clean(name) if name else ""
    return cleaned or (None if identifier is None else str(identifier))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _count(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"


def _length(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min" if minutes else f"{length.total_seconds():.0f} s"
    return f"{hours} h {rest} min" if rest else f"{hours} h"
