"""A selection of closed windows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class ClosedScope:
    """A selection of closed windows. A field with None leaves nothing out.

    A selected window begins at `start` or later, and ends at `end` or earlier.
    """

    tenant_id: UUID | None = None
    pipeline_id: UUID | None = None
    window_name: str | None = None
    start: datetime | None = None
    end: datetime | None = None
