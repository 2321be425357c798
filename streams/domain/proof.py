"""The evidence that a window is complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.domain.pairs import Stage


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that has written to the stage table and has not ended; `age` in seconds when it was looked at.

    One that is prepared has no `pid`, and the name it was prepared under is its `application`.
    """

    virtual_id: str
    pid: int | None
    since: str | None
    user: str | None
    application: str | None
    age: float | None = None

    @property
    def description(self) -> str:
        """A text by which a person finds the transaction's owner, as `pid 42 (crm, import), open for 61 s`."""
        age = "" if self.age is None else f", open for {self.age:.0f} s"
        if self.pid is None:
            known_as = f"{self.application!r} ({self.user})" if self.application else ""
            return f"prepared transaction {known_as or self.virtual_id}{age}"
        application = f", {self.application}" if self.application else ""
        return f"pid {self.pid} ({self.user}{application}){age}"


@dataclass(frozen=True)
class Marker:
    """A message in the source's log, above every transaction that was visible in `snapshot`.

    Without `marker_id` none was emitted, and the rest is merely what the source said.
    """

    marker_id: int | None
    source_lsn: int
    snapshot: str
    system_identifier: str | None
    timeline: int | None
    stages: Sequence[Stage]
    token: str = ""


@dataclass(frozen=True)
class Proof:
    """Everything visible at the marker is in the partials: each partition's progress has reached `needed`.

    `doubts` name why it is an estimate after all; none: proven, unless something is in doubt that this proof cannot
    know. `barrier_seconds` is how long the windows it serves waited for writers.
    """

    marker: Marker
    source_time: datetime
    needed: Mapping[int, int]
    doubts: Sequence[str]
    open_transactions: Sequence[OpenTransaction]
    marker_seconds: float
    progress_seconds: float
    barrier_seconds: float = 0.0
