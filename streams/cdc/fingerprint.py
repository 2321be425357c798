"""Reads the source's fingerprint (see `streams.domain.fingerprint`)."""

from typing import TYPE_CHECKING

import msgspec

from streams.domain.fingerprint import Fingerprint
from streams.dsn import Dsn
from streams.resources import sql
from streams.settings import Settings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_decode = msgspec.json.Decoder(Fingerprint).decode


async def read_fingerprint(connection: "Connection", *, publication: str, reader: str | None) -> Fingerprint:
    """Return the fingerprint of the database of `connection`, outside any transaction or within.

    `reader` is the role that reads the connector's first snapshot; None is the role of `connection`.
    """
    return parse(await connection.fetchval(sql("queries/cdc/source_fingerprint"), publication, reader))


def parse(text: str) -> Fingerprint:
    """Return the fingerprint in a JSON document of `as_text`. Raises msgspec.ValidationError for another document."""
    return _decode(text)


def as_text(fingerprint: Fingerprint) -> str:
    """Return a fingerprint as a JSON document."""
    return msgspec.json.encode(fingerprint).decode()


def snapshot_reader(settings: Settings) -> str | None:
    """Return the role in CDC_DSN; None where CDC_DSN is not set or names no role."""
    if settings.cdc_dsn is None:
        return None
    return Dsn.parse(settings.cdc_dsn).user
