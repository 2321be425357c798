"""The evidence that the counts of a window are complete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from streams.domain.fingerprint import Fingerprint
from streams.domain.pairs import Stage


@dataclass(frozen=True)
class OpenTransaction:
    """A transaction that has written to the stage table and is still open; `age` in seconds at the time of reading.

    A prepared transaction has no `pid`; the name given to `prepare transaction` stands in `application`.
    """

    virtual_id: str
    pid: int | None
    since: str | None
    user: str | None
    application: str | None
    age: float | None = None

    @property
    def description(self) -> str:
        """A text that leads a person to the transaction's owner: `pid 42 (crm, import), open for 61 s`."""
        age = "" if self.age is None else f", open for {self.age:.0f} s"
        if self.pid is None:
            known_as = f"{self.application!r} ({self.user})" if self.application else ""
            return f"prepared transaction {known_as or self.virtual_id}{age}"
        application = f", {self.application}" if self.application else ""
        return f"pid {self.pid} ({self.user}{application}){age}"


@dataclass(frozen=True)
class Marker:
    """A message in the source's log, above every transaction visible in `snapshot`.

    A source that allows no markers gives no `marker_id`; the remaining fields are then plain readings of the source.
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
    """Evidence: the progress of every partition has reached `needed`, and the partials cover the marker.

    `doubts` are the reasons to call the result an estimate. A proof without doubts is `proven`, unless the report
    database holds a doubt from elsewhere. `barrier_seconds` is the time that due windows waited for open writers.
    `fingerprint` is the source's, read right after the marker; None where nobody has looked. `configuration` has the
    settings of the connector by which changes are lost, read once the marker has come through the connector.
    """

    marker: Marker
    source_time: datetime
    needed: Mapping[int, int]
    doubts: Sequence[str]
    open_transactions: Sequence[OpenTransaction]
    marker_seconds: float
    progress_seconds: float
    barrier_seconds: float = 0.0
    fingerprint: Fingerprint | None = None
    configuration: Sequence[str] = ()
