"""The things that a proof and an open window wait for, as far as the report database tells."""

from collections.abc import Mapping
from typing import Any

from streams.domain.duration import spell

FRESH_SECONDS = 15.0
"""The age up to which a reading is taken for the present."""


def proof_waits_for(
    proof_age: float | None, proving: Mapping[str, Any] | None, behind: Mapping[int, int]
) -> str | None:
    """Return what the next proof waits for; None while proofs follow each other.

    `proving` is a row of the statement `proving`, None before the first marker. `behind`: the records up to the ends
    that the proof waits for, by partition.
    """
    if proof_age is not None and proof_age <= FRESH_SECONDS:
        return None
    if proving is None:
        return "a worker: no worker has sent a marker yet"
    if proving["seen_age"] is None:
        return _marker(proving)
    if behind:
        return _partitions(behind)
    if proving["age"] > FRESH_SECONDS:
        return (
            f"a worker: the last marker was sent {spell(proving['age'])} ago, and the worker that holds partition 0 "
            "sends markers"
        )
    return "the worker that holds partition 0: its log says why nothing is proven"


def _marker(proving: Mapping[str, Any]) -> str:
    """Return the words for a marker that has not come."""
    marker = f"marker {proving['marker_id']}"
    if proving["emitted_lsn"] is None:
        return (
            f"the CRM's database: {marker} was written down {spell(proving['age'])} ago, and has no position"
        )
    number = proving["silent_markers"]
    more = "" if number == 1 else f", nor have the {number - 1} before"
    return (
        f"{marker}, which has not come out of Kafka{more}: the capture is silent for "
        f"{spell(proving['silent_age'])}, and `funnelproof status` says why"
    )


def _partitions(behind: Mapping[int, int]) -> str:
    """Return the words for partitions that are not folded to the end that a proof needs."""
    records = f"{sum(behind.values()):,} records"
    if len(behind) == 1:
        return f"partition {next(iter(behind))} to be folded to the log's end: {records}"
    most = max(behind, key=behind.__getitem__)
    places = ", ".join(map(str, sorted(behind)[:8])) + (", …" if len(behind) > 8 else "")
    return f"partitions {places} to be folded to the log's end: {records}, most of them in partition {most}"


def window_waits_for(proof_waits: str | None) -> str:
    """Return what an overdue window waits for."""
    if proof_waits is not None:
        return f"a proof, which waits for {proof_waits}"
    return (
        "transactions of the CRM that had written when the window ended and are still open, for "
        "FUNNELPROOF_PROOF_WAIT at most"
    )


def lag_of(position: int | None, end: int | None, end_age: float | None) -> int | None:
    """Return the records of a partition that are not folded; None where an old reading of the end hides records."""
    if position is None or end is None or end_age is None:
        return None
    lag = max(0, end - position)
    return lag if lag or end_age <= FRESH_SECONDS else None
