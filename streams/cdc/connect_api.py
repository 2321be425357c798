"""Calls of Kafka Connect's REST API."""

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from streams.errors import PreconditionError, UnreachableError
from streams.settings import Settings

_ABSENT = 404
_BUSY = 409  # Connect is rebalancing
_BUSY_ATTEMPTS = 200
_BUSY_SECONDS = 0.3


class Connect:
    """The REST API of the Kafka Connect cluster that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.connect_url.rstrip("/")

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return Connect's answer; None for "not found". While Connect rebalances, the call is made again.

        Raises UnreachableError if nobody answers, PreconditionError with Connect's words if Connect refuses or
        rebalances for more than a minute.
        """
        for _ in range(_BUSY_ATTEMPTS):
            answer = await self._request(method, path, body)
            if answer.status_code != _BUSY:
                break
            await asyncio.sleep(_BUSY_SECONDS)
        if answer.status_code == _ABSENT:
            return None
        if answer.is_error:
            raise PreconditionError(
                f"Kafka Connect refused the connector: {answer.json().get('message', answer.text)}"
            )
        return answer.json() if answer.content else {}

    async def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=_tls_context()) as client:
                return await client.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"Kafka Connect does not answer at {self._url}: start it, or set FUNNELPROOF_CONNECT_URL"
            ) from error


@cache
def _tls_context() -> ssl.SSLContext:
    """Return a shared TLS context: a context takes a tenth of a second to make, and workers call every two seconds."""
    return httpx.create_ssl_context(trust_env=False)
