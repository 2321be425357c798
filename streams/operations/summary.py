"""The status of an installation for people: for each part, whether the part is well, and what to do if not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from streams.domain.duration import spell
from streams.operations.status import Status
from streams.operations.verdict import Defect, Part

LATE_SECONDS = 15.0
"""The age of counts or of the last proof from which a person is told that the numbers are late."""

Mark = Literal["well", "note", "bad", "unknown"]
"""`note`: worth a look, and no trouble. `unknown`: the server that knows gives no answer, or nothing is there yet."""


@dataclass(frozen=True)
class Line:
    """A part of the installation: its mark, what is well or noteworthy, and its troubles."""

    part: Part
    mark: Mark
    told: str = ""
    troubles: Sequence[Defect] = ()


def headline(found: Status) -> str:
    """Return the first line: whether all is well, and how many things are not."""
    troubles = len(found.troubles) + len(found.overdue)
    if not troubles:
        return "all is well"
    return "1 thing is not well" if troubles == 1 else f"{troubles} things are not well"


def summarize(found: Status) -> list[Line]:
    """Return a line for each part of the installation of which there is something to tell, in the order of Part."""
    lines = (_line(part, found) for part in get_args(Part))
    return [line for line in lines if line.told or line.troubles]


def _line(part: Part, found: Status) -> Line:
    troubles = [each for each in found.troubles if each.part == part]
    if part == "windows":
        troubles += _overdue(found)
    if troubles:
        return Line(part, "bad", troubles=troubles)
    mark, told = _TOLD[part](found)
    return Line(part, mark, told)


def _overdue(found: Status) -> list[Defect]:
    waits = "; ".join(each.description for each in found.writers)
    remedy = f"the window waits for {waits}" if waits else "see the log of the worker that proves"
    return [
        Defect("windows", f"{each.window_name} ended {each.window_end:%H:%M:%S %Z} and is not closed", remedy)
        for each in found.overdue
    ]


def _servers(_found: Status) -> tuple[Mark, str]:
    return "well", "Postgres, Kafka and Kafka Connect answer"


def _workers(found: Status) -> tuple[Mark, str]:
    if not found.facts:
        return _no_facts()
    workers = _number(len(found.living), "worker counts", "workers count")
    if replayed := [each for each in found.partitions if each.is_replayed]:
        parts = f"{len(replayed)} of {len(found.partitions)} parts of the log"
        return "note", f"{workers}, and {parts} are read again after a takeover: their counts are late"
    age = max((each.flushed_ago or 0.0 for each in found.partitions), default=0.0)
    waiting = _number(sum(each.unread for each in found.partitions), "change waits", "changes wait")
    told = f"{workers}; the oldest counts are {age:.1f} s old, {waiting}"
    return ("note", f"late: {told}") if age > LATE_SECONDS else ("well", told)


def _capture(found: Status) -> tuple[Mark, str]:
    if found.connector is None:
        return "unknown", "Kafka Connect gives no answer"
    if found.slot is None:
        return "unknown", "the CRM's database gives no answer"
    kept = f"{found.slot['retained_bytes'] / 1e6:,.0f} MB of log are kept for the connector"
    if not found.slot["active"]:
        return "note", f"the connector runs, and does not read the CRM's changes at this moment; {kept}"
    return "well", f"the connector reads the CRM's changes; {kept}"


def _proof(found: Status) -> tuple[Mark, str]:
    if not found.facts:
        return _no_facts()
    if found.facts["proven_at"] is None:
        return "unknown", "nothing is proven yet"
    age = (found.facts["now"] - found.facts["proven_at"]).total_seconds()
    told = f"every change until {found.facts['proven_until']:%H:%M:%S %Z} is counted, by a proof {spell(age)} ago"
    if found.facts["completeness"] != "proven":
        doubts = {each.reason for each in found.doubts}
        others = "; ".join(each for each in found.facts["reasons"] if each not in doubts)
        return "note", f"results are estimates for now: {others or 'see ✗'}"
    return ("note", f"late: {told}") if age > LATE_SECONDS else ("well", told)


def _windows(found: Status) -> tuple[Mark, str]:
    if not found.facts:
        return _no_facts()
    facts = found.facts
    told = f"{facts['open_windows']:,} open, {facts['closed_windows']:,} closed, none overdue"
    if facts["pending_revisions"]:
        told += f"; {_number(facts['pending_revisions'], 'waits', 'wait')} for a revision"
    long = [each for each in found.writers if (each.age or 0.0) > LATE_SECONDS]
    if long:
        return (
            "note",
            f"{told}; windows that end will wait for {'; '.join(each.description for each in long)}",
        )
    return "well", told


def _dead_letters(found: Status) -> tuple[Mark, str]:
    if not found.facts:
        return _no_facts()
    if letters := found.facts["dead_letters"]:
        return (
            "note",
            f"{_number(letters, 'event', 'events')} could not be applied: `funnelproof dead-letters list`",
        )
    return "well", "every event could be applied"


def _compared(found: Status) -> tuple[Mark, str]:
    if not found.facts:
        return _no_facts()
    compared = found.facts["comparisons"]
    if compared["oldest_age"] is None:
        return "unknown", "no closed window was compared with the canonical SQL yet: `funnelproof reconcile`"
    equal = f"{compared['windows'] - compared['never_compared']:,} of {compared['windows']:,} closed windows"
    oldest = spell(compared["oldest_age"])
    return "well", f"{equal} equal the canonical SQL; the oldest comparison was {oldest} ago"


def _published(found: Status) -> tuple[Mark, str]:
    if not found.facts:
        return _no_facts()
    waiting = found.facts["unpublished_events"]
    return (
        "well",
        f"{_number(waiting, 'result waits', 'results wait')} for Kafka"
        if waiting
        else "every result is in Kafka",
    )


def _alerts(found: Status) -> tuple[Mark, str]:
    overview = found.alerts
    if overview is None:
        return _no_facts()
    last = overview.evaluator
    if last is None or not last.is_active:
        return "unknown", "nobody evaluates: `funnelproof alerts run`"
    on = ", ".join(f"{count} {state}" for state, count in overview.states.items() if count)
    notes = [on] if on else []
    if last.held is not None:
        notes.append(f"nothing is decided now: {last.held}")
    notes += [f"the rule file is broken, the former rules hold: {mistake}" for mistake in last.broken_rules]
    notes += [
        f"{receiver.name} does not take alerts: {receiver.last_error or f'{receiver.given_up} given up'}"
        for receiver in overview.receivers
        if receiver.last_error is not None or receiver.given_up
    ]
    return (
        ("note", "; ".join(notes)) if notes else ("well", f"evaluated {last.age:.0f} s ago, no alert is on")
    )


def _labels(found: Status) -> tuple[Mark, str]:
    names = f"{found.facts['labels']:,} names" if found.facts else ""
    if found.facts and found.facts["labels_trouble"]:
        return "note", f"{names}; FUNNELPROOF_LABELS_SQL: {found.facts['labels_trouble']}"
    return "well", f"{names} of tenants and pipelines" if found.facts and found.facts["labels"] else ""


def _no_facts() -> tuple[Mark, str]:
    return "unknown", "the database of the facts gives no answer"


def _number(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


_TOLD: Mapping[Part, Callable[[Status], tuple[Mark, str]]] = {
    "servers": _servers,
    "workers": _workers,
    "capture": _capture,
    "proof": _proof,
    "windows": _windows,
    "dead letters": _dead_letters,
    "compared": _compared,
    "published": _published,
    "alerts": _alerts,
    "labels": _labels,
}
