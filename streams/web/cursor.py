"""The place where a page of rows ends, as opaque text in `next`: the keys of the page's last row."""

import base64
import binascii
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Any
from uuid import UUID

import msgspec

from streams.web.errors import MalformedError

Key = datetime | UUID | int


def encode_cursor(*keys: Key) -> str:
    """Return the keys as URL-safe text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(keys)).rstrip(b"=").decode()


def decode_cursor(text: str, form: type[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the keys. `form` is the keys' type, as tuple[datetime, int]. Raises MalformedError for any other text."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        keys: tuple[Any, ...] = msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=form)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        keys = ()
    if not keys or not all(map(_is_stored, keys)):
        raise MalformedError(
            "is no cursor of this list: take `next` of the page before, or leave it out", "cursor"
        )
    return keys


def _is_stored(key: Key) -> bool:
    """Return True if Postgres has a value like the key: an instant with an offset, a number of 31 bits."""
    match key:
        case datetime():
            return key.tzinfo is not None and MINYEAR < key.year < MAXYEAR
        case int():
            return -(2**31) <= key < 2**31
        case _:
            return True
