"""The events of a deal on the page, from a worker's real fold of the log."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from streams.listening import listen
from streams.settings import Settings
from tests.fakes.envelopes import ROW, envelope
from tests.integration.processor.conftest import Bench, bench, entered
from tests.integration.processor.test_deal_page import holder, site
from tests.integration.web.conftest import PLAIN, serving
from tests.integration.web.crm import write_rows
from tests.integration.web.desk import Desk

__all__ = ["bench"]

AT = datetime(2026, 11, 24, 10, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
TENANT, PIPELINE = UUID(str(ROW["tenant_id"])), UUID(str(ROW["pipeline_id"]))
WHERE = {"tenant": str(TENANT), "pipeline": str(PIPELINE), "window": "hour", "at": AT.isoformat()}


@pytest.fixture
async def lead(bench: Bench, database: str) -> AsyncIterator[UUID]:
    """The stage of the pipeline; the CRM and the log have the same entry of DEAL."""
    stage = uuid4()
    desk = await Desk.open(database)
    await desk.connection.execute(
        "insert into funnelproof.pipeline_stage values ($1, $2, $3, 'Lead', 0)", stage, TENANT, PIPELINE
    )
    await desk.open_window("hour", AT.replace(minute=0), AT.replace(minute=0) + HOUR)
    await write_rows(desk, [(TENANT, DEAL, PIPELINE, stage, AT)])
    bench.apply(entered(deal_id=str(DEAL), pipeline_stage_id=str(stage), entered_at=AT.isoformat()))
    yield stage
    await desk.connection.close()


DEAL = uuid4()


async def test_a_deal_has_the_rows_and_first_entries_that_its_worker_counts(
    bench: Bench, database: str, lead: UUID
) -> None:
    gone = {**ROW, "id": str(uuid4()), "deal_id": str(DEAL), "pipeline_stage_id": str(lead)}
    elsewhere = entered(deal_id=str(DEAL), pipeline_id=str(uuid4()), entered_at=AT.isoformat())
    bench.apply(envelope("c", after=gone), envelope("d", before=gone, lsn=24_790_997), elsewhere)
    async with site(holder(bench)) as worker:
        settings = Settings(
            source_dsn=database, deals_dsn=database, dashboard_worker_url=str(worker.base_url)
        )
        with serving(settings) as address:
            async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
                told = (await client.get(f"/api/v1/deals/{DEAL}", params=WHERE)).json()
                page = (await client.get(f"/deals/{DEAL}", params=WHERE)).text
    log = told["log"]
    assert (log["partition"], log["position"], told["log_missing"]) == (0, 4, "")
    assert sorted((row["deleted"], row["stage"]) for row in log["rows"]) == [(False, "Lead"), (True, None)]
    assert [(each["window"], [s["stage"] for s in each["stages"]]) for each in log["first_entries"]] == [
        ("hour", ["Lead"])
    ]
    assert "up to position 4 of partition 0" in page


async def test_nothing_of_another_tenant_is_told_of_a_deal(bench: Bench, database: str, lead: UUID) -> None:
    foreign = str(uuid4())
    gone = {**ROW, "id": str(uuid4()), "deal_id": str(DEAL), "pipeline_stage_id": str(lead)}
    bench.apply(
        entered(deal_id=str(DEAL), tenant_id=foreign, entered_at=AT.isoformat()),
        envelope("c", after=gone),
        envelope("d", before=gone, lsn=24_790_997),
    )
    async with site(holder(bench)) as worker:
        settings = Settings(
            source_dsn=database, deals_dsn=database, dashboard_worker_url=str(worker.base_url)
        )
        with serving(settings) as address:
            async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
                answer = await client.get(f"/api/v1/deals/{DEAL}", params=WHERE)
    assert foreign not in answer.text
    assert [row["stage"] for row in answer.json()["log"]["rows"]] == ["Lead"]


async def test_a_worker_that_gives_no_answer_leaves_the_rows_and_the_reason(
    database: str, lead: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.web.events.ASK_SECONDS", 0.5)
    with listen("127.0.0.1", 0) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with serving(Settings(source_dsn=database, deals_dsn=database, dashboard_worker_url=url)) as address:
            async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
                told = (await client.get(f"/api/v1/deals/{DEAL}", params=WHERE)).json()
    assert [row["stage"] for row in told["rows"]] == ["Lead"]
    assert (told["log"], told["log_missing"]) == (None, f"no answer from {url} (TimeoutError)")
    with serving(Settings(source_dsn=database, deals_dsn=database)) as address:
        async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
            page = await client.get(f"/deals/{DEAL}", params=WHERE)
    assert "The page knows no worker: set FUNNELPROOF_DASHBOARD_WORKER_URL" in page.text
    del lead
