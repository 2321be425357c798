"""A message for people: a title and a body, as plain text and as Markdown. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.alerts.delivery.channel import Message
from streams.alerts.delivery.links import link_to
from streams.alerts.delivery.words import Line, clean, markdown, plain, words_of
from streams.alerts.transition import Transition

LISTED = 20
"""The most alerts that a message for people lists."""
Tone = Literal["failure", "success", "warning", "info"]
_TONES: dict[str, Tone] = {
    "fired": "failure",
    "resolved": "success",
    "retracted": "success",
    "held": "warning",
    "released": "info",
    "invalid": "warning",
}
_GRAVEST_FIRST: Sequence[Tone] = ("failure", "warning", "success", "info")


@dataclass(frozen=True)
class Letter:
    """A message in words, twice. `tone` chooses the colour where a service has colours."""

    title: str
    body: str
    title_in_markdown: str
    body_in_markdown: str
    tone: Tone


def letter_of(message: Message, dashboard: str | None) -> Letter:
    """Return the words of a message: one transition with its numbers, or a list of several."""
    first, *others = message.transitions
    if others:
        headline, lines = _digest(message.transitions, dashboard)
        tones = {_TONES[transition.step] for transition in message.transitions}
        tone = next(each for each in _GRAVEST_FIRST if each in tones)
    else:
        words = words_of(first, link_to(dashboard, first))
        headline, lines, tone = words.headline, words.lines, _TONES[first.step]
    return Letter(
        plain(headline),
        "\n".join(_written(line, plain, "{}: {}") for line in lines),
        markdown(headline),
        "\n".join(f"- {_written(line, markdown, '**{}**: {}')}" for line in lines),
        tone,
    )


def _digest(transitions: Sequence[Transition], dashboard: str | None) -> tuple[str, Sequence[Line]]:
    """Return the headline and the lines of a storm: each alert with its numbers, up to LISTED alerts."""
    first = transitions[0]
    tenant = clean(first.evidence.tenant or "") or str(first.tenant_id or "")
    headline = f"{len(transitions)} alerts" + (f" of tenant {tenant}" if tenant else "")
    lines = []
    for transition in transitions[:LISTED]:
        words = words_of(transition, None)
        observed = [line.text for line in words.lines if line.label in ("Observed", "Reason")]
        lines.append(Line(words.headline, ", ".join(observed) or transition.severity))
    if len(transitions) > LISTED:
        lines.append(Line("And", f"{len(transitions) - LISTED} more"))
    if dashboard is not None:
        lines.append(Line("Details", f"{dashboard}/alerts", address=True))
    return headline, lines


def _written(line: Line, escape: Callable[[str], str], form: str) -> str:
    text = line.text if line.address else escape(line.text)
    return form.format(escape(line.label), text)
