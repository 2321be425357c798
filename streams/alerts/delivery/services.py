"""Chat, mail and pagers, through Apprise: one address a receiver.

Apprise has no time limit of its own that holds for every service, and cannot be interrupted. A message is therefore
sent in a thread that ends with the program. A thread that outlasts the limit keeps the receiver busy, so no message
overtakes another; where the thread succeeds late, the message counts as sent.
"""

import asyncio
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from streams.alerts.delivery.channel import Message, ReceiverError
from streams.alerts.delivery.letter import Letter, letter_of
from streams.alerts.delivery.webhook import PATIENCE
from streams.logs import silence_quoting_loggers

SECONDS = 20.0
"""The most seconds of one delivery."""


@dataclass(frozen=True)
class _Attempt:
    message_id: UUID
    result: Future[object]


class Service:
    """A channel to one address in the form of Apprise, for example `mailtos://user:password@host`."""

    at_once: int | None = None
    patience: timedelta | None = PATIENCE

    def __init__(self, name: str, url: str, dashboard: str | None, seconds: float = SECONDS) -> None:
        """Take an address. Raises ValueError, which does not show the address, if Apprise cannot read the address."""
        import apprise  # noqa: PLC0415 - half a second, for those who use it

        silence_quoting_loggers()
        self.name = name
        self._dashboard = dashboard
        self._seconds = seconds
        # In the caller's thread, and without threads of Apprise, which would hold up the program's end.
        asset = apprise.AppriseAsset(async_mode=False, secure_logging=True, service_timeout=0)
        self._apprise = apprise.Apprise(asset=asset)
        if not self._apprise.add(url):
            raise ValueError("is no address of Apprise: see the list of services in Apprise's documentation")
        self._takes_markdown = self._apprise[0].resolve_format("text") == "markdown"
        self._attempt: _Attempt | None = None

    async def begin(self) -> None:
        """Do nothing: every message opens a connection."""

    async def send(self, message: Message, now: datetime) -> None:
        """Send one notification for the message, however many transitions it has."""
        del now
        attempt = self._attempt
        if attempt is None or attempt.result.done():
            late = attempt is not None and attempt.message_id == message.message_id
            if not (late and attempt is not None and _succeeded(attempt.result)):
                attempt = _Attempt(message.message_id, self._start(letter_of(message, self._dashboard)))
            self._attempt = attempt
        if attempt is None or attempt.message_id != message.message_id:
            raise ReceiverError("is still busy with the message before")
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(attempt.result)), self._seconds)
        except TimeoutError:
            raise ReceiverError(f"has not taken the message within {self._seconds:.0f} s") from None
        except Exception as error:  # noqa: BLE001 - a hundred services, each with errors of its own
            self._attempt = None
            raise ReceiverError(f"Apprise failed ({type(error).__name__}): check the address") from None
        self._attempt = None
        if not _succeeded(attempt.result):
            raise ReceiverError(
                "the service did not take the message: try its address with the command `apprise`"
            )

    async def close(self) -> None:
        """Nothing to give up: a thread that still sends ends with the program."""

    def _start(self, letter: Letter) -> Future[object]:
        result: Future[object] = Future()

        def run() -> None:
            try:
                result.set_result(self._notify(letter))
            except Exception as error:  # noqa: BLE001 - told by the future
                result.set_exception(error)

        threading.Thread(target=run, name=f"alerts to {self.name}", daemon=True).start()
        return result

    def _notify(self, letter: Letter) -> object:
        title, body, form = letter.title, letter.body, "text"
        if self._takes_markdown:
            title, body, form = letter.title_in_markdown, letter.body_in_markdown, "markdown"
        return self._apprise.notify(body, title, notify_type=letter.tone, body_format=form)


def _succeeded(result: Future[object]) -> bool:
    """Return whether the service has taken the whole message: no other answer of Apprise is true."""
    return result.exception() is None and bool(result.result())
