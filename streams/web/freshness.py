"""The freshness of the numbers, by the report database's clock alone."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from streams.domain.duration import spell
from streams.web.model import Health, Reconciliation

LATE_AFTER = timedelta(seconds=4)
"""The age of the oldest partition's counts from which the numbers are late; a working worker flushes once a second.

With the time until a look at the database and a message, a stop is told within five seconds.
"""
FLUSHING = timedelta(seconds=2)
"""The age of a flush up to which a worker is taken to work; where proofs stop, too, an older flush is the cause."""
NOT_LIVE_AFTER = timedelta(seconds=60)
"""The age from which the numbers are not live any more."""
UNPROVEN_AFTER = timedelta(seconds=4)
"""The age of the last proof from which the numbers are late; a working worker proves once a second.

Where only the capture stands still, flushes go on, and nothing but the proofs tells.
"""

_CHANGES = ("epoch", "flushes", "folded", "published", "compared", "doubts", "completeness")

State = Literal["live", "in_doubt", "late", "not_live", "loading", "unknown"]


def health_of(pulse: Mapping[str, Any] | None, last: Reconciliation | None) -> Health:
    """Return the judgement on a row of the statement `pulse`; None: the database has no installation."""
    if pulse is None:
        return Health(state="unknown", message="Cannot tell: nothing is installed in the report database yet")
    known: dict[str, Any] = {
        "as_of": pulse["as_of"],
        "proven_until": pulse["source_time"],
        "proof_age": _seconds(pulse["now"], pulse["proven_at"]),
        "proven_lsn": pulse["source_lsn"],
        "completeness": pulse["completeness"],
        "reasons": tuple(pulse["reasons"] or ()),
        "doubts": _doubts(pulse),
        "last_reconciliation": last,
    }
    state, message, age = _judge(pulse, known["proof_age"])
    return Health(state=state, message=message, age=age, **known)


def state_of(pulse: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    """Return what differs in a row of the statement `pulse` after a flush, a published run or a comparison."""
    return None if pulse is None else tuple(str(pulse[name]) for name in _CHANGES)


def _judge(pulse: Mapping[str, Any], unproven: float | None) -> tuple[State, str, float | None]:
    folded, partitions = pulse["folded"], pulse["partitions"]
    age = _seconds(pulse["now"], pulse["as_of"])
    if pulse["epoch"] is None or not folded or age is None:
        return "loading", "Loading: no worker has read the log to its end yet", None
    if folded < partitions:
        return "loading", f"Loading: {folded} of {partitions} partitions are read", None
    return _judge_age(pulse, age, unproven)


def _judge_age(pulse: Mapping[str, Any], age: float, unproven: float | None) -> tuple[State, str, float]:
    where = f"partition {pulse['oldest_partition']}, worker {pulse['oldest_worker']}"
    if age > NOT_LIVE_AFTER.total_seconds():
        return "not_live", f"Not live: {spell(age)} old ({where}, has stopped)", age
    is_unproven = unproven is None or unproven > UNPROVEN_AFTER.total_seconds()
    if age > LATE_AFTER.total_seconds() or (is_unproven and age > FLUSHING.total_seconds()):
        return "late", f"Late: {spell(age)} behind ({where})", age
    if is_unproven:
        since = "yet" if unproven is None else f"for {spell(unproven)}"
        cause = "" if unproven is None else " (Connect or Kafka may stand still)"
        return "late", f"Late: counted, but nothing is proven {since}{cause}", age
    behind = f"{age:.1f} s behind the CRM"
    return (
        ("in_doubt", f"In doubt: {behind}, results are estimates", age)
        if _doubts(pulse)
        else ("live", f"Live: {behind}", age)
    )


def _doubts(pulse: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why results are estimates: the doubts, and the reasons of the last proof, for example dead letters."""
    reasons = pulse["reasons"] or () if pulse["completeness"] == "estimated" else ()
    return tuple(dict.fromkeys((*pulse["doubts"], *reasons)))


def _seconds(now: Any, then: Any) -> float | None:  # noqa: ANN401 - instants of a record, or None
    return None if then is None else max(0.0, float((now - then).total_seconds()))
