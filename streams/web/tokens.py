"""Tokens of people and programs: made once, shown once, kept as digests."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection

_PREFIX = "fp_"
_BYTES = 32


@dataclass(frozen=True)
class Token:
    """A token as it is kept. `tenants`: None is every tenant. `may`: the further permissions."""

    name: str
    tenants: Sequence[UUID] | None
    may: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    is_valid: bool


def digest_of(token: str) -> bytes:
    """Return the digest under which a token is kept. A token is too long to be guessed, so the digest needs no salt."""
    return hashlib.sha256(token.encode()).digest()


async def add_token(
    connection: Connection,
    name: str,
    tenants: Sequence[UUID] | None,
    may: Sequence[str],
    lifetime: timedelta | None,
) -> str:
    """Make a token and return its text, which is kept nowhere. Raises PreconditionError for a name that is taken."""
    token = _PREFIX + secrets.token_urlsafe(_BYTES)
    listed = None if tenants is None else list(tenants)
    try:
        await connection.execute(
            sql("queries/web/token_add"), name, digest_of(token), listed, list(may), lifetime
        )
    except asyncpg.UniqueViolationError:
        raise PreconditionError(
            f"there is a token {name} already: choose another name, or first run "
            f"`funnelproof dashboard token revoke {name}`"
        ) from None
    return token


async def tokens(connection: Connection) -> list[Token]:
    """Return the tokens, the oldest first, those that are not valid any more too."""
    return [Token(**row) for row in await connection.fetch(sql("queries/web/tokens"))]


async def revoke_token(connection: Connection, name: str) -> None:
    """Have a token open nothing any more. Raises PreconditionError where no valid token has the name."""
    if await connection.fetchval(sql("queries/web/token_revoke"), name) is None:
        raise PreconditionError(f"there is no token {name}: see `funnelproof dashboard token list`")
