"""Webhooks as Standard Webhooks says: CloudEvents, signed, with an id that stays the same over all attempts."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import SecretBytes

from streams.alerts.delivery.channel import Message
from streams.alerts.delivery.envelope import ONE, SEVERAL, Envelopes
from streams.alerts.delivery.posting import SECONDS, Poster

PATIENCE = timedelta(days=3)
"""The time after which a message is given up."""
_PREFIX = "whsec_"


class Webhook:
    """A channel to an address that takes POST requests."""

    at_once: int | None = None
    patience: timedelta | None = PATIENCE

    def __init__(
        self, name: str, url: str, secrets: Sequence[str], envelopes: Envelopes, seconds: float = SECONDS
    ) -> None:
        """Take one secret, or two while one replaces the other. Raises ValueError for a secret without a key."""
        self.name = name
        self._poster = Poster(url, seconds)
        self._keys = [SecretBytes(key_of(secret)) for secret in secrets]
        self._envelopes = envelopes

    async def begin(self) -> None:
        """Do nothing: every message opens a connection."""

    async def send(self, message: Message, now: datetime) -> None:
        """Post one event, or in a storm a list of events."""
        first, *others = message.transitions
        if others:
            body, media_type = self._envelopes.several(message.transitions), SEVERAL
        else:
            body, media_type = self._envelopes.one(first), ONE
        identifier, at = str(message.message_id), int(now.timestamp())
        signatures = [signature(key.get_secret_value(), identifier, at, body) for key in self._keys]
        await self._poster.post(
            body,
            {
                "content-type": media_type,
                "webhook-id": identifier,
                "webhook-timestamp": str(at),
                "webhook-signature": " ".join(signatures),
            },
        )

    async def close(self) -> None:
        """Give up the connections."""
        await self._poster.close()


def key_of(secret: str) -> bytes:
    """Return the key that `secret` stands for: base64 behind `whsec_`, else the text itself in UTF-8.

    Raises ValueError, which does not show the secret, if there is no key.
    """
    if not secret.startswith(_PREFIX):
        key = secret.encode()
    else:
        text = secret.removeprefix(_PREFIX).strip()
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            raise ValueError(f"is no secret: {_PREFIX} is followed by base64, or left out") from None
    if not key:
        raise ValueError("is no secret: it is empty")
    return key


def signature(key: bytes, identifier: str, at: int, body: bytes) -> str:
    """Return the signature of a message that is sent at the Unix time `at`, in the form of the header."""
    signed = hmac.digest(key, b"%b.%d.%b" % (identifier.encode(), at, body), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"
