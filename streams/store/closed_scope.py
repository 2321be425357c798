"""A selection of closed windows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class ClosedScope:
    """A selection of closed windows; None selects all. Windows begin at `start` or later, and end by `end`."""

    tenant_id: UUID | None = None
    pipeline_id: UUID | None = None
    window_name: str | None = None
    start: datetime | None = None
    end: datetime | None = None
