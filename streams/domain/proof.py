"""The evidence that a window is complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.domain.pairs import Stage


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that had written to the stage table at a window's end and had not ended when waiting for it did."""

    virtual_id: str
    pid: int | None
    since: str | None
    user: str | None
    application: str | None


@dataclass(frozen=True)
class Marker:
    """A message in the source's log, above every transaction that was visible in `snapshot`."""

    marker_id: int
    source_lsn: int
    snapshot: str
    system_identifier: str
    timeline: int
    stages: Sequence[Stage]


@dataclass(frozen=True)
class Proof:
    """Everything visible at the marker is in the partials: each partition's progress has reached `needed`.

    `doubts` name why it is an estimate after all; none: proven.
    """

    marker: Marker
    source_time: datetime
    needed: Mapping[int, int]
    doubts: Sequence[str]
    open_transactions: Sequence[OpenTransaction]
    marker_seconds: float
    progress_seconds: float
