"""A deal's rows and first entries, shown by the worker that holds the deal's partition; other workers redirect.

Only Debezium computes the partition of a deal. A worker therefore looks into its own partitions first, then asks every
other worker of the group once.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp import web

from streams.domain.deal_view import EntryView, RowView, view_deal
from streams.domain.lsn import lsn_text
from streams.domain.windows import from_microseconds
from streams.fold.processor import Processor
from streams.store.epoch import Epoch

ASK_SECONDS = 2.0
"""The most seconds in which another worker answers."""
HERE = "here"
"""The parameter of a request that the asked worker answers alone, without asking further workers."""

Peers = Callable[[], Collection[str]]
"""A call that returns the URLs of the group's other workers."""


@dataclass(frozen=True)
class Holder:
    """A worker that holds deals."""

    processor: Processor
    epoch: Epoch
    peers: Peers


@dataclass(frozen=True)
class Peer:
    """Another worker's answer: `has` is True if the worker has the deal; if not, `held` are the searched partitions."""

    has: bool
    held: frozenset[int] = frozenset()
    trouble: str | None = None


async def show_deal(worker: Holder | None, request: web.Request) -> web.Response:
    """Return the deal (200), a redirect to the deal's worker (307), or an error.

    Errors: the id is no UUID (400), no worker has the deal (404), or some partitions cannot be searched now (503).
    `worker` is the asked worker, None before the first assignment.
    """
    try:
        deal = UUID(request.match_info["deal_id"])
    except ValueError:
        return _error(400, "write the deal's id as a UUID: /deals/6a0b4b4e-6a0a-4c0e-8d6d-0f5b6f9f7f01")
    if worker is None:
        return _error(503, "this worker has not been given partitions yet")
    held = {number: owned for number, owned in worker.processor.owned.items() if owned.active}
    for number, owned in held.items():
        if packed := owned.state.deals.get(deal.bytes):
            return web.json_response(
                {
                    "deal_id": str(deal),
                    "partition": number,
                    "position": owned.state.position,
                    **_told(worker, packed),
                }
            )
    if HERE in request.query:
        return web.json_response({"held": sorted(held)}, status=404)
    return await _elsewhere(worker, deal, set(held))


async def _elsewhere(worker: Holder, deal: UUID, looked_at: set[int]) -> web.Response:
    sites = sorted(worker.peers())
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as client:
        answers = await asyncio.gather(*(_ask(client, f"{site}/deals/{deal}") for site in sites))
    for site, peer in zip(sites, answers, strict=True):
        if peer.has:
            return web.Response(status=307, headers={"Location": f"{site}/deals/{deal}"})
        looked_at |= peer.held
    if missing := sorted(set(range(worker.epoch.partitions)) - looked_at):
        silent = [
            f"{site} ({peer.trouble})" for site, peer in zip(sites, answers, strict=True) if peer.trouble
        ]
        asked = f"; no answer from {', '.join(silent)}" if silent else ""
        numbers = ", ".join(map(str, missing))
        return _error(
            503, f"partitions are being replayed or taken over, or cannot be asked: {numbers}{asked}"
        )
    return _error(404, f"no row of a deal {deal} has been read")


async def _ask(client: aiohttp.ClientSession, url: str) -> Peer:
    try:
        async with client.get(url, params={HERE: ""}) as answer:
            if answer.status == 404:
                return Peer(has=False, held=frozenset((await answer.json())["held"]))
            return Peer(has=answer.ok, trouble=None if answer.ok else f"status {answer.status}")
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
        return Peer(has=False, trouble=str(error) or type(error).__name__)


def _told(worker: Holder, packed: bytes) -> dict[str, Any]:
    view = view_deal(packed, worker.epoch.plan, worker.processor.vocabulary)
    return {
        "rows": [
            {"row_id": str(row.row_id), "deleted": row.entry is None, "lsn": _lsn(row), **_entry(row.entry)}
            for row in view.rows
        ],
        "first_entries": [
            {
                "window": where.window.name,
                "start": _instant(where.window.start),
                "end": _instant(where.window.end),
                "tenant_id": where.scope.tenant_id,
                "pipeline_id": where.scope.pipeline_id,
                "stages": [{"stage_id": stage, "entered_at": _instant(at)} for stage, at in stages],
            }
            for where, stages in view.windows
        ],
    }


def _entry(entry: EntryView | None) -> dict[str, str]:
    if entry is None:
        return {}
    return {
        "tenant_id": entry.scope.tenant_id,
        "pipeline_id": entry.scope.pipeline_id,
        "stage_id": entry.stage_id,
        "entered_at": _instant(entry.at),
    }


def _lsn(row: RowView) -> str | None:
    return lsn_text(row.lsn) if row.lsn else None


def _instant(microseconds: int) -> str:
    return from_microseconds(microseconds).isoformat()


def _error(status: int, message: str) -> web.Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    return web.json_response({"error": message}, status=status, headers=headers)
