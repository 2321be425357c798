"""The audit of looks at deals: a line in the log for each look."""

import structlog
from fastapi import Request

from streams.web.scope import Scope

log = structlog.get_logger(__name__)


def note_look(request: Request, reader: Scope, event: str, **what: object) -> None:
    """Log that a reader has looked at deals, or was refused; `what` says at which."""
    peer = request.client.host if request.client else "unknown"
    log.info(event, reader=reader.name, peer=peer, **what)
