"""The work of the site, for others to count: answers, statements, and failures of the databases."""

import time
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ELSEWHERE = "other"
"""The route of a request that no route of the site answers."""


class Observer(Protocol):
    """Counts what the site does. `database` is `report` or `crm`; `reason` is `silent`, `slow` or `refused`."""

    def count_answer(self, route: str, status: int, seconds: float) -> None:
        """Count an answer; `seconds` is the time until the answer began. `route` is a template, as `/windows/{id}`."""

    def count_statement(self, name: str, seconds: float) -> None:
        """Count a statement of `sql/`, ended or broken off."""

    def count_failure(self, database: str, reason: str) -> None:
        """Count a reading that a database did not answer."""


class Unobserved:
    """Counts nothing."""

    def count_answer(self, route: str, status: int, seconds: float) -> None:
        """Do nothing."""

    def count_statement(self, name: str, seconds: float) -> None:
        """Do nothing."""

    def count_failure(self, database: str, reason: str) -> None:
        """Do nothing."""


class CountedAnswers:
    """Has every answer counted once the answer begins: a stream lasts for hours."""

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        is_counted = False

        def count(status: int) -> None:
            nonlocal is_counted
            is_counted = True
            route = getattr(scope.get("route"), "path", ELSEWHERE)
            self._observer.count_answer(route, status, time.monotonic() - began)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                count(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            if not is_counted:
                count(500)
            raise
