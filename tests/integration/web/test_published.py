"""A follower is shown every published run, however late the transaction that publishes the run commits."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from tests.integration.web.conftest import Town
from tests.integration.web.desk import DAY, NOW, Desk

TODAY = NOW.replace(hour=0, minute=0, second=0)


async def texts(lines: AsyncIterator[str], part: str) -> AsyncIterator[str]:
    """Yield the texts of a part of the page as they come; a part has several lines."""
    text: list[str] = []
    async for line in lines:
        text.append(line)
        if not line:
            whole = "\n".join(text)
            if f'hx-target="#{part}"' in whole:
                yield whole.partition(f'hx-target="#{part}"')[2].partition("</hx-partial>")[0]
            text = []


async def test_a_run_that_commits_long_after_it_took_its_number_is_shown(
    client: httpx.AsyncClient, town: Town
) -> None:
    late = await Desk.open(town.dsn)
    late.epoch = town.desk.epoch
    async with client.stream("GET", "/live", params=town.where) as stream, asyncio.timeout(30):
        lines = stream.aiter_lines()
        funnels = texts(lines, "funnel")
        await anext(funnels)
        publishing = late.connection.transaction()
        await publishing.start()
        run_id = await late.close(
            town.acme, town.sales, "day", TODAY, TODAY + DAY, [(130, 40), (60, 20), (20, 5)]
        )
        await late.connection.execute("insert into funnelproof.outbox (run_id) values ($1)", run_id)
        await town.desk.count(
            town.acme, town.sales, "day", TODAY, TODAY + DAY, [(121, 31), (60, 20), (20, 5)]
        )
        await town.desk.flush()
        async for text in funnels:  # the page is read while the transaction is open
            if ">121<" in text:
                break
        await publishing.commit()
        await town.desk.flush()
        async for text in texts(lines, "ledger"):
            if f"/windows/{run_id}" in text:
                break
        else:
            raise AssertionError("the stream ended without the run")
    await late.connection.close()
