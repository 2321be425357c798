"""What a worker says of a deal, whoever holds its partition. stream/test_operations.py has it between real workers."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from aiohttp import web

from streams.fold.processor import Processor
from streams.listening import address_of, listen
from streams.operations.deals import Holder, show_deal
from streams.store.epoch import Epoch
from tests.fakes.envelopes import ROW
from tests.integration.processor.conftest import PLAN, Bench, entered

DEAL = str(uuid4())


@asynccontextmanager
async def site(holder: Holder) -> AsyncIterator[httpx.AsyncClient]:
    """Serve a worker's deals."""

    async def answer(request: web.Request) -> web.Response:
        return await show_deal(holder, request)

    application = web.Application()
    application.add_routes([web.get("/deals/{deal_id}", answer)])
    runner = web.AppRunner(application)
    with listen("127.0.0.1", 0) as listening:
        await runner.setup()
        await web.SockSite(runner, listening).start()
        async with httpx.AsyncClient(base_url=address_of(listening), trust_env=False) as client:
            yield client
        await runner.cleanup()


def holder(bench: Bench, partitions: int = 2, peers: Collection[str] = ()) -> Holder:
    return Holder(bench.processor, Epoch(bench.topic, "", partitions, PLAN), lambda: peers)


async def test_a_deal_is_shown_with_where_it_was_read(bench: Bench) -> None:
    bench.apply(entered(deal_id=DEAL, entered_at="2026-11-20T10:15:00.000001Z"))
    async with site(holder(bench)) as client:
        answer = await client.get(f"/deals/{DEAL.upper()}")
    shown = answer.json()
    assert answer.status_code == 200
    assert (shown["deal_id"], shown["partition"], shown["position"]) == (DEAL, 0, 1)
    (row,) = shown["rows"]
    assert (row["deleted"], row["entered_at"]) == (False, "2026-11-20T10:15:00.000001+00:00")
    assert (row["tenant_id"], row["pipeline_id"]) == (ROW["tenant_id"], ROW["pipeline_id"])
    (window,) = shown["first_entries"]
    assert (window["window"], window["start"]) == ("hour", "2026-11-20T10:00:00+00:00")
    assert window["stages"] == [{"stage_id": row["stage_id"], "entered_at": row["entered_at"]}]


async def test_while_a_partition_is_replayed_neither_its_deals_nor_their_absence_are_told(
    bench: Bench,
) -> None:
    bench.apply(entered(deal_id=DEAL))
    owned = bench.processor.owned[0]
    owned.known, owned.end = {}, 1_000_000
    async with site(holder(bench)) as client:
        for deal in (DEAL, str(uuid4())):
            answer = await client.get(f"/deals/{deal}")
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert "being replayed or taken over, or cannot be asked: 0" in answer.json()["error"]
        assert (await client.get(f"/deals/{DEAL}?here")).json() == {"held": [1]}


async def test_a_deal_that_nobody_has_is_unknown_only_once_every_partition_was_looked_into(
    bench: Bench,
) -> None:
    async with site(holder(bench)) as both:
        answer = await both.get(f"/deals/{DEAL}")
        assert answer.status_code == 404
        assert answer.json() == {"error": f"no row of a deal {DEAL} has been read"}
        async with site(holder(bench, partitions=3, peers=[str(both.base_url)])) as client:
            answer = await client.get(f"/deals/{DEAL}")
            assert (answer.status_code, "asked: 2" in answer.text) == (503, True)


async def test_a_worker_that_does_not_answer_is_named_and_one_that_has_the_deal_is_where_to_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.operations.deals.ASK_SECONDS", 0.3)
    bench.apply(entered(deal_id=DEAL))
    nothing = Processor.__new__(Processor)
    nothing._owned = {}
    with listen("127.0.0.1", 0) as silent:
        async with site(holder(bench)) as has_it:
            peers = [address_of(silent), str(has_it.base_url)]
            empty = replace(holder(bench, peers=peers), processor=nothing)
            async with site(empty) as client:
                answer = await client.get(f"/deals/{DEAL}")
                assert answer.status_code == 307
                assert answer.headers["Location"] == f"{peers[1]}/deals/{DEAL}"
                followed = await client.get(f"/deals/{DEAL}", follow_redirects=True)
                assert followed.json()["deal_id"] == DEAL
                assert (await client.get(f"/deals/{UUID(int=5)}")).status_code == 404
            async with site(replace(empty, peers=lambda: peers[:1])) as client:
                answer = await client.get(f"/deals/{DEAL}")
                assert answer.status_code == 503
                assert f"asked: 0, 1; no answer from {peers[0]} (TimeoutError)" in answer.json()["error"]
