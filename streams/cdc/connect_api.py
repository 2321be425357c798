"""Calls of Kafka Connect's REST API."""

import asyncio
import ssl
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from streams.errors import PreconditionError, UnreachableError
from streams.settings import Settings
from streams.tls import Tls, mistrust, tls_error

_BUSY = HTTPStatus.CONFLICT  # Connect is rebalancing
_BUSY_ATTEMPTS = 200
_BUSY_SECONDS = 0.3


class Connect:
    """The REST API of the Kafka Connect cluster that the settings name. Errors show no password."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.connect_address
        self._credentials = settings.connect_credentials
        self._authority = settings.connect_ca

    async def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return Connect's answer; None for "not found". While Connect rebalances, the call is made again.

        Raises UnreachableError if nobody answers, PreconditionError with Connect's words if Connect refuses or
        rebalances for more than a minute.
        """
        for _ in range(_BUSY_ATTEMPTS):
            answer = await self._request(method, path, body)
            if not _is_busy(answer):
                break
            await asyncio.sleep(_BUSY_SECONDS)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            user = self._credentials and self._credentials[0]
            who = "without a user" if user is None else f"with this password of {user}"
            raise PreconditionError(
                f"Kafka Connect at {self._url} refuses calls {who}: set FUNNELPROOF_CONNECT_USERNAME and "
                "FUNNELPROOF_CONNECT_PASSWORD"
            )
        if not answer.is_success:
            raise PreconditionError(f"Kafka Connect refused the connector: {_words(answer)}")
        return answer.json() if answer.content else {}

    async def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        try:
            async with httpx.AsyncClient(
                timeout=30, trust_env=False, verify=_tls_context(self._authority), auth=self._credentials
            ) as client:
                return await client.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise UnreachableError(self._why_silent(error)) from error

    def _why_silent(self, error: httpx.HTTPError) -> str:
        cause = tls_error(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = mistrust(cause, "FUNNELPROOF_CONNECT_CA", "FUNNELPROOF_CONNECT_URL")
            return f"Kafka Connect at {self._url} {why}"
        if cause is not None:
            return (
                f"no TLS connection to Kafka Connect at {self._url} ({cause.reason}): does it speak https? "
                "See FUNNELPROOF_CONNECT_URL"
            )
        if isinstance(error, httpx.RemoteProtocolError):
            return (
                f"what answers at {self._url} does not speak as Kafka Connect does: check FUNNELPROOF_CONNECT_URL, "
                "and whether it wants https://"
            )
        return f"Kafka Connect does not answer at {self._url}: start it, or set FUNNELPROOF_CONNECT_URL"


def _is_busy(answer: httpx.Response) -> bool:
    """Return true while Connect rebalances, which some calls answer with 409 and others with 500."""
    return answer.status_code == _BUSY or (
        answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR and "rebalance" in _words(answer)
    )


def _words(answer: httpx.Response) -> str:
    """Return Connect's message; the status of an answer that comes from somebody else, for example from a proxy."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        where = f" to {answer.headers['location']}" if "location" in answer.headers else ""
        return f"{answer.status_code} {answer.reason_phrase}{where}"


@cache
def _tls_context(authority: Path | None) -> ssl.SSLContext:
    """Return a shared TLS context: a context takes a tenth of a second to make, and a worker calls every second."""
    return Tls(authority).context
