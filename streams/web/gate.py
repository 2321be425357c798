"""The gate: who asks, and which tenants the reader may see."""

import hmac
from collections.abc import Iterable
from typing import Protocol
from uuid import UUID

from fastapi import Request

from streams.web.database import Database
from streams.web.errors import WebError
from streams.web.scope import ALL, DEALS, EVERYTHING, NOBODY, OPERATIONS, Scope
from streams.web.tokens import digest_of

COOKIE = "funnelproof"
TENANTS_HEADER = "x-funnelproof-tenants"
USER_HEADER = "x-funnelproof-user"
MAY_HEADER = "x-funnelproof-may"
SECRET_HEADER = "x-funnelproof-secret"  # noqa: S105 - a name
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_MOST = 200


class StrangerError(WebError):
    """The request names no reader: no token, or one that is unknown, expired or revoked."""

    status = 401


class WrongHostError(WebError):
    """The browser was led here under a name that is not the page's: another site may be behind the request."""

    status = 403


class Gate(Protocol):
    """Tells the reader of a request. `has_sign_in`: people sign in with a token."""

    has_sign_in: bool

    async def scope(self, request: Request) -> Scope:
        """Return the reader. Raises StrangerError and WrongHostError."""


class OpenGate:
    """The gate of a page that only this machine can reach: every request under one of `hosts` sees everything.

    The host is looked at because any site may have its own name lead to this machine, and read the page in the browser
    of somebody who works here.
    """

    has_sign_in = False

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = LOOPBACK | {host.lower() for host in hosts}

    async def scope(self, request: Request) -> Scope:
        """Return the reader who sees everything. Raises WrongHostError."""
        host = request.url.hostname
        if host is None or host.lower() not in self._hosts:
            raise WrongHostError(
                "the page is not known under this name: call the page as localhost, or add the name to "
                "FUNNELPROOF_DASHBOARD_HOSTS"
            )
        return EVERYTHING


class TokenGate:
    """The gate of a page that other machines reach: a token in the header `Authorization`, or in the cookie."""

    has_sign_in = True

    async def scope(self, request: Request) -> Scope:
        """Return the token's reader. Raises StrangerError, and SilentDatabaseError without an answer."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            token = request.cookies.get(COOKIE, "")
        return await self.reader_of(request.app.state.database, token.strip())

    async def reader_of(self, database: Database, token: str) -> Scope:
        """Return the reader of a token. Raises as `scope` does."""
        if 0 < len(token) <= _MOST:
            async with database.reading(NOBODY) as read:
                row = await read.row("token_of", digest_of(token))
            if row is not None:
                tenants = None if row["tenants"] is None else frozenset(row["tenants"])
                return Scope(tenants, frozenset(row["may"]), row["name"])
        raise StrangerError("sign in with a token: `funnelproof dashboard token add` makes one")


class ProxyGate:
    """The gate behind a proxy that signs people in, known by address and secret; the proxy names user and tenants."""

    has_sign_in = False

    def __init__(self, peers: Iterable[str], secret: str) -> None:
        self._peers = frozenset(peers)
        self._secret = secret.encode()

    async def scope(self, request: Request) -> Scope:
        """Return the reader that the proxy names. Raises StrangerError."""
        peer = request.client.host if request.client else ""
        secret = request.headers.get(SECRET_HEADER, "").encode()
        if peer not in self._peers or not hmac.compare_digest(secret, self._secret):
            raise StrangerError("come by the proxy, which signs people in")
        named = request.headers.get(TENANTS_HEADER, "").strip()
        user = request.headers.get(USER_HEADER, "")[:_MOST]
        granted = {each.strip() for each in request.headers.get(MAY_HEADER, "").split(",")}
        may = frozenset({DEALS} & granted)
        if named == ALL:
            return Scope(None, may | {OPERATIONS}, user)
        try:
            return Scope(
                frozenset(UUID(each.strip()) for each in named.split(",") if each.strip()), may, user
            )
        except ValueError:
            raise StrangerError(f"the proxy's header {TENANTS_HEADER} has no tenants' identifiers") from None
