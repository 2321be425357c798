"""`funnelproof reconcile --every` beside a running worker: it finds what differs, by itself, and goes on."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker, eventually
from tests.integration.stream.writing import keep_writing

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(180)]

OUTCOME = (
    "select exists (select from dyno_crm.stage_conversion_ledger where pipeline_id = $1 and window_name = '3s' "
    "and window_start = $2 and outcome = $3)"
)


@contextmanager
def job(installation: Installation, log: Path) -> Iterator[Worker]:
    """A job with a round every five seconds."""
    environment = installation.environment | {"FUNNELPROOF_RECONCILE_SHARE": "50"}
    job = Worker(environment, log, "reconcile", "--every", "5s", "--web-port", "0")
    try:
        yield job
    finally:
        job.kill()


async def site_of(job: Worker) -> httpx.AsyncClient:
    """Return a client of the job's web site; the job's log has the address."""
    await eventually(lambda: "url=" in job.log(1000) or not job.runs)
    (url,) = re.findall(r"url=(\S+)", job.log(1000))
    return httpx.AsyncClient(base_url=url)


async def scrape(site: httpx.AsyncClient) -> dict[str, float]:
    """Return the samples of a job by name and labels, as Prometheus writes them."""
    lines = (await site.get("/metrics")).text.splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line.startswith("funnelproof_"))
    }


async def test_the_job_finds_an_edited_fact_and_sees_it_mended_while_everybody_writes(
    installation: Installation, funnel: Funnel, tmp_path: Path
) -> None:
    connection = installation.connection
    start = await installation.next_window()
    await funnel.enter_two_deals(connection, start)
    busy = Funnel()
    await busy.create(connection)
    with (
        job(installation, tmp_path / "first.log") as first,
        job(installation, tmp_path / "second.log") as second,
    ):
        sites = [await site_of(each) for each in (first, second)]
        async with keep_writing(installation, [busy], pause=0.03):
            await installation.wait_until(OUTCOME, funnel.pipeline, start, "equal", seconds=60)
            edit = (
                "update dyno_crm.report_stage_conversion_fact set entered_count = $1 where tenant_id = $2 "
                "and entered_count = $3 and from_stage_id = $4"
            )
            stage = funnel.ids["a"]
            await connection.execute(edit, 3, funnel.tenant, 2, stage)
            # An edited fact is no revision: the window's turn comes, here at once.
            await connection.execute(
                "update funnelproof.window_comparison set compared_at = compared_at - interval '4 days' "
                "where window_start = $1",
                start,
            )
            await installation.wait_until(OUTCOME, funnel.pipeline, start, "different", seconds=60)
            status = await asyncio.to_thread(installation.run, "status")
            assert status.returncode == 1
            assert max([(await scrape(site))["funnelproof_windows_different"] for site in sites]) == 1
            assert "✗ compared     1 closed window differs from the canonical SQL, for" in status.stdout
            await connection.execute(edit, 2, funnel.tenant, 3, stage)
            await installation.wait_until(OUTCOME, funnel.pipeline, start, "equal", seconds=60)
        others = await connection.fetchval(
            "select count(*) from dyno_crm.stage_conversion_ledger where outcome = 'different'"
        )
        assert others == 0
        held = await connection.fetchval(
            "select count(*) from pg_stat_activity where application_name like '% reconcile job' "
            "and datname = current_database()"
        )
        assert held == 1  # the other stands by without a session
        healths = [(await site.get("/healthz")).json()["status"] for site in sites]
        assert sorted(healths) == ["ok", "standby"]
        samples = await scrape(sites[healths.index("ok")])
        rounds = "funnelproof_reconciliation_rounds_total"
        assert samples[f'{rounds}{{outcome="equal"}}'] >= 1
        assert samples[f'{rounds}{{outcome="different"}}'] >= 1
        assert samples["funnelproof_reconciliation_runs_total"] >= 3
        assert samples["funnelproof_reconciliation_lag_seconds"] < 60
        assert samples["funnelproof_windows_different"] == 0
        for site in sites:
            await site.aclose()
        assert await first.stop() == 0
