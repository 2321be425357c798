"""Which closed windows somebody means."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class ClosedScope:
    """Which closed windows are meant; None: all. A window lies in `[start, end)` with both its ends."""

    tenant_id: UUID | None = None
    pipeline_id: UUID | None = None
    window_name: str | None = None
    start: datetime | None = None
    end: datetime | None = None
