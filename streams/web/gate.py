"""The gate: who asks, and which tenants the reader may see."""

from typing import Protocol

from fastapi import Request

from streams.web.errors import WebError
from streams.web.scope import EVERYTHING, Scope


class StrangerError(WebError):
    """The request names no reader: no token, or one that is unknown, expired or revoked."""

    status = 401


class Gate(Protocol):
    """Tells the reader of a request."""

    async def scope(self, request: Request) -> Scope:
        """Return the reader. Raises StrangerError."""


class OpenGate:
    """The gate of a page that only this machine can reach: every request sees everything."""

    async def scope(self, request: Request) -> Scope:
        """Return the reader who sees everything."""
        del request
        return EVERYTHING
