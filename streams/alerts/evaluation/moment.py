"""The moment of a look: up to where the source is proven, and the reasons why no alert has a verdict now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from streams.domain.windows import to_microseconds
from streams.resources import sql
from streams.store.database import Connection


@dataclass(frozen=True)
class Moment:
    """A moment as the report database knows it.

    `until` is the source's time up to which everything is proven, None before the first proof. `proof_id` is the last
    publication. `held` is the reason why nothing is decided; None while everything is proven. `late`: no proof comes.
    """

    now: datetime
    epoch: UUID | None
    until: datetime | None
    source_lsn: str | None
    proof_id: int
    held: str | None
    late: bool

    @property
    def at(self) -> int:
        """The instant that decisions are about: the proven time of the source; microseconds."""
        return to_microseconds(self.until or self.now)


async def read_moment(connection: Connection, patience: timedelta) -> Moment:
    """Return the present moment. A proof older than `patience` holds alerts."""
    row = await connection.fetchrow(sql("queries/alerts/moment"))
    if row is None:
        raise LookupError("an installation has one row")
    age = row["proof_age"]
    late = age is None or age > patience.total_seconds()
    return Moment(
        row["now"],
        row["epoch"],
        row["source_time"],
        row["source_lsn"],
        row["proof_id"],
        _held(age, row["completeness"], row["reasons"], late=late),
        late,
    )


def _held(age: float | None, completeness: str | None, reasons: list[str], *, late: bool) -> str | None:
    if age is None:
        return "nothing is proven yet: start `funnelproof worker`"
    if late:
        return f"the last proof is {age:.0f} s old: see `funnelproof status`"
    if completeness != "proven":
        return f"results are estimates: {reasons[0] if reasons else 'see `funnelproof status`'}"
    return None
