"""HTTP requests to receivers: certificates checked, bounded in time, no redirect followed, no secret in an error."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

import httpx

from streams.alerts.delivery.channel import ReceiverError, Refusal
from streams.tls import tls_error

SECONDS = 20.0
"""The most seconds from the connection to the answer's head."""
LONGEST_PAUSE = timedelta(hours=1)
"""The longest pause that a receiver may ask for."""
_MESSAGE = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""Answers that are about the message, not about the receiver."""


class Poster:
    """Posts to an address. No error and no `repr` shows the address, a user or a password."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._url = url
        self._seconds = seconds
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return "Poster(...)"

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return if the receiver answers with a status of 200 to 299. Raises ReceiverError for all else.

        Only the head of the answer is read: an endless answer does no harm.
        """
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._answer(body, headers)
        except TimeoutError:
            raise ReceiverError(f"gives no answer within {self._seconds:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise ReceiverError(_why(error)) from None  # the library's error may quote the address
        if not answer.is_success:
            raise _refused(answer)

    async def close(self) -> None:
        """Give up the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _answer(self, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        if self._client is None:
            # Proxies and private authorities come from the environment: receivers lie outside as a rule.
            self._client = httpx.AsyncClient(timeout=self._seconds, follow_redirects=False)
        async with self._client.stream(
            "POST", self._url, content=body, headers={"user-agent": "funnelproof", **headers}
        ) as answer:
            return answer


def _why(error: Exception) -> str:
    tls = tls_error(error)
    if tls is not None:
        return f"no TLS connection ({tls.reason or 'the certificate is not trusted'}): mend its certificate or address"
    if isinstance(error, httpx.RemoteProtocolError):
        return "its answer is no HTTP: check the address, and whether it wants https://"
    if isinstance(error, httpx.TimeoutException | httpx.NetworkError | OSError):
        return "cannot be reached: start it, or mend its address"
    return f"cannot be asked ({type(error).__name__}): mend its address"


def _refused(answer: httpx.Response) -> ReceiverError:
    status = answer.status_code
    what = f"answers {status}{_phrase(status)}"
    if status == HTTPStatus.GONE:
        return ReceiverError(f"{what}: take it out of the rule file", Refusal.FOR_GOOD)
    if status in _MESSAGE:
        return ReceiverError(f"{what} to this message", Refusal.MESSAGE)
    if answer.is_redirect:
        return ReceiverError(f"{what}: redirects are not followed, give the final address")
    return ReceiverError(what, pause=_pause(answer.headers.get("retry-after", "")))


def _phrase(status: int) -> str:
    """Return the standard's words for a status; the receiver's own words could quote the address."""
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _pause(retry_after: str) -> timedelta | None:
    if not (retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 9):
        return None
    return min(timedelta(seconds=int(retry_after)), LONGEST_PAUSE)
