"""Words that the shell offers for the value of an option after Tab: kinds of windows, tenants, pipelines.

A completion keeps nobody waiting and prints nothing: without settings, or without a quick answer of the report
database, nothing is offered. Shells run what they are offered through `eval`, or put it on the line as it is. A label
is a text from the CRM, so a label is offered only if no shell could take the label for anything but a word.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from streams.settings import Settings, load_settings

SECONDS = 0.7
"""The most seconds for which Tab waits for the report database."""
_MOST = 1000
_NO_ID = UUID(int=0)
_WORD = re.compile(r"\w[\w.-]*")
_NO_HELP = re.compile(r"[^\w .,/+-]+")

Offers = list[tuple[str, str]]
"""Values with help texts, for shells with room for help."""


def windows(incomplete: str) -> list[str]:
    """Offer the kinds of windows of the settings."""
    with suppress(Exception):
        return [kind for kind in load_settings().windows if kind.startswith(incomplete)]
    return []


def tenants(incomplete: str) -> Offers:
    """Offer labels of tenants, and ids of the tenants whose label is no word."""
    return _offered(incomplete, lambda row: _either(row["tenant"], row["tenant_id"]))


def pipelines(incomplete: str) -> Offers:
    """Offer labels of pipelines, and ids of the pipelines whose label is no word."""
    return _offered(incomplete, lambda row: _either(row["pipeline"], row["pipeline_id"]))


def tenant_ids(incomplete: str) -> Offers:
    """Offer ids of tenants."""
    return _offered(incomplete, lambda row: (str(row["tenant_id"]), row["tenant"]))


def pipeline_ids(incomplete: str) -> Offers:
    """Offer ids of pipelines."""
    return _offered(incomplete, lambda row: (str(row["pipeline_id"]), row["pipeline"]))


def _either(label: str | None, identifier: UUID) -> tuple[str, str | None]:
    return (label if label and _WORD.fullmatch(label) else str(identifier)), label


def _offered(incomplete: str, offer: Callable[[dict[str, Any]], tuple[str, str | None]]) -> Offers:
    offers: dict[str, str] = {}
    with suppress(Exception):  # whatever goes wrong, a person who presses Tab wants no message
        for row in asyncio.run(_pipelines(load_settings(), incomplete)):
            value, label = offer(row)
            offers[value] = _NO_HELP.sub(" ", label or "")
    return list(offers.items())


async def _pipelines(settings: Settings, search: str) -> list[dict[str, Any]]:
    # Only a completion needs the report database before a command runs.
    from streams.web.database import open_database  # noqa: PLC0415 - see above
    from streams.web.scope import EVERYTHING  # noqa: PLC0415 - see above

    async with (
        asyncio.timeout(SECONDS),
        open_database(settings) as database,
        database.reading(EVERYTHING) as read,
    ):
        return await read.rows("pipelines", _NO_ID, _NO_ID, search or None, _MOST)
