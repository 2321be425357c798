"""The workers' own view of deals, asked of any worker's web site: a worker leads to the worker that holds the deal."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp

from streams.domain.change import Scope
from streams.domain.lsn import lsn_number
from streams.domain.windows import to_microseconds
from streams.explaining.evidence import Entry

ASK_SECONDS = 5.0
_AT_ONCE = 8
_FEW_SILENCES = 5
"""After so many deals without an answer, the workers count as silent."""


@dataclass(frozen=True)
class HeldRow:
    """A row as a worker counts the row; `entry` is None for a deleted row."""

    version: int
    entry: Entry | None


HeldDeal = Mapping[UUID, HeldRow]
"""The rows of a deal by id; empty if no worker has read a row of the deal."""


async def ask_workers(url: str, deals: Collection[UUID]) -> dict[UUID, HeldDeal]:
    """Return the deals that the workers tell, by id; a deal for which no worker answers is missing."""
    answers: dict[UUID, HeldDeal] = {}
    waiting = list(reversed(list(deals)))
    silences = 0
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as client:

        async def ask() -> None:
            nonlocal silences
            while waiting and silences < _FEW_SILENCES:
                deal = waiting.pop()
                held = await _ask(client, url, deal)
                if held is None:
                    silences += 1
                else:
                    answers[deal] = held

        await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    return answers


async def _ask(client: aiohttp.ClientSession, url: str, deal: UUID) -> HeldDeal | None:
    try:
        async with client.get(f"{url.rstrip('/')}/deals/{deal}", max_redirects=2) as answer:
            told = await answer.json()
            if answer.status == 404 and "error" in told:
                return {}
            return {UUID(row["row_id"]): _held(row) for row in told["rows"]} if answer.ok else None
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
        return None


def _held(row: Mapping[str, Any]) -> HeldRow:
    version = lsn_number(row["lsn"] or "0/0")
    if row["deleted"]:
        return HeldRow(version, None)
    scope = Scope(row["tenant_id"], row["pipeline_id"])
    at = to_microseconds(datetime.fromisoformat(row["entered_at"]))
    return HeldRow(version, Entry(scope, row["stage_id"], at))
