"""Metrics and health of a dashboard, on real servers, while people look at the page and the database goes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest

from streams.listening import listen
from streams.operations.dashboard_metrics import DashboardMetrics
from streams.operations.dashboard_site import serve_dashboard
from streams.settings import Settings
from streams.web.gate import TokenGate
from streams.web.server import SiteServer
from streams.web.site import create_site
from tests.integration.web.conftest import PLAIN, Town
from tests.line import Line
from tests.unit.operations.scrapes import shown


@dataclass
class Watched:
    """A page, its site for monitoring, and the page's line to the report database."""

    page: httpx.AsyncClient
    monitoring: httpx.AsyncClient
    metrics: DashboardMetrics
    line: Line

    async def scrape(self) -> dict[str, float]:
        answer = await self.monitoring.get("/metrics")
        assert "funnelproof_dashboard_followers" in answer.text
        return shown(self.metrics.registry)

    async def health(self) -> tuple[int, dict[str, object]]:
        answer = await self.monitoring.get("/healthz")
        return answer.status_code, answer.json()


@pytest.fixture
async def watched(town: Town) -> AsyncIterator[Watched]:
    metrics, line = DashboardMetrics(), Line(town.dsn)
    await line.mend()
    site = create_site(Settings(source_dsn=line.address), observer=metrics)
    async with AsyncExitStack() as stack:
        sockets = [stack.enter_context(listen("127.0.0.1", 0)) for _ in range(2)]
        server = SiteServer(site)
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    verify=PLAIN, base_url="http://{}:{}".format(*each.getsockname()), timeout=20
                )
            )
            for each in sockets
        ]
        await stack.enter_async_context(serve_dashboard(sockets[1], site, metrics))
        assert (await clients[1].get("/healthz")).json()["status"] == "starting"
        serving = asyncio.create_task(server.serve(sockets=[sockets[0]]))
        await clients[0].get("/healthz")  # answered once the site has started
        yield Watched(clients[0], clients[1], metrics, line)
        server.stop()
        await asyncio.wait_for(serving, 10)
        line.cut()


async def test_requests_statements_and_followers_are_counted(watched: Watched, town: Town) -> None:
    assert (await watched.page.get("/", params=town.where)).status_code == 200
    assert (await watched.page.get("/api/v1/pipelines", params={"limit": 0})).status_code == 400
    assert (await watched.page.get("/no-such-page")).status_code == 404
    async with watched.page.stream("GET", "/live", params=town.where) as stream:
        lines = stream.aiter_lines()
        await anext(lines)
        samples = await watched.scrape()
        assert samples["funnelproof_dashboard_followers"] == 1
        assert samples["funnelproof_dashboard_followed_pages"] == 1
        assert (await watched.health())[1]["followers"] == 1
    counted = {
        "['/', '200']": 1,
        "['/api/v1/pipelines', '400']": 1,
        "['/live', '200']": 1,
        "['/healthz', '200']": 1,
        "['404', 'other']": 1,
    }
    name = "funnelproof_dashboard_requests_total"
    assert {each.removeprefix(name): count for each, count in samples.items() if name in each} == counted
    assert samples["funnelproof_dashboard_request_duration_seconds_count['/live']"] == 1
    assert samples["funnelproof_dashboard_query_duration_seconds_count['live_counts']"] >= 2
    assert samples["funnelproof_dashboard_database_up"] == 1
    async with asyncio.timeout(10):
        while (await watched.scrape())["funnelproof_dashboard_followers"]:
            await asyncio.sleep(0.05)


async def test_the_pages_own_port_has_metrics_and_health_without_a_sign_in_and_without_tenants(
    watched: Watched, town: Town
) -> None:
    site = create_site(Settings(source_dsn=town.dsn), TokenGate(), watched.metrics)
    with listen("127.0.0.1", 0) as listening, listen("127.0.0.1", 0) as monitored:
        server = SiteServer(site)
        async with serve_dashboard(monitored, site, watched.metrics):
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            address = "http://{}:{}".format(*listening.getsockname())
            async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as stranger:
                assert (await stranger.get("/", params=town.where)).status_code == 401
                health, metrics = await stranger.get("/healthz"), await stranger.get("/metrics")
                assert (health.status_code, health.json()["reasons"]) == (200, [])
                assert "funnelproof_dashboard_database_up 1.0" in metrics.text
                assert metrics.headers["Content-Type"].startswith("text/plain")
                for told in (health.text, metrics.text):
                    assert not [each for each in town.where.values() if len(each) == 36 and each in told]
            server.stop()
            await asyncio.wait_for(serving, 10)


async def test_the_pages_own_port_answers_under_its_names_only(watched: Watched) -> None:
    for path in ("/healthz", "/metrics"):
        assert (await watched.page.get(path)).status_code == 200
        assert (await watched.page.get(path, headers={"Host": "evil.example"})).status_code == 403


async def test_the_pages_own_port_tells_that_the_database_is_away(watched: Watched) -> None:
    watched.line.cut()
    answer = await watched.page.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")


async def test_the_age_is_that_of_the_numbers_and_health_warns_of_old_numbers(
    watched: Watched, town: Town
) -> None:
    assert (await watched.scrape())["funnelproof_dashboard_data_age_seconds"] < 5
    assert await watched.health() == (
        200,
        {"status": "ok", "reasons": [], "warnings": [], "followers": 0},
    )
    await town.desk.flush(age=90)
    assert (await watched.scrape())["funnelproof_dashboard_data_age_seconds"] == pytest.approx(90, abs=5)
    status, health = await watched.health()
    assert (status, health["status"]) == (200, "degraded")
    assert "Not live" in str(health["warnings"])


async def test_a_database_that_is_away_is_counted_and_the_numbers_grow_older(
    watched: Watched, town: Town
) -> None:
    before = (await watched.scrape())["funnelproof_dashboard_data_age_seconds"]
    watched.line.cut()
    assert (await watched.page.get("/", params=town.where)).status_code == 503
    samples = await watched.scrape()
    assert samples["funnelproof_dashboard_database_failures_total['report', 'silent']"] >= 1
    assert samples["funnelproof_dashboard_database_up"] == 0
    assert samples["funnelproof_dashboard_data_age_seconds"] > before
    status, health = await watched.health()
    assert (status, health["status"]) == (503, "failing")
    assert "gives no answer" in str(health["reasons"])
    await watched.line.mend()
    async with asyncio.timeout(20):
        while (await watched.health())[0] != 200:
            await asyncio.sleep(0.1)
    assert (await watched.scrape())["funnelproof_dashboard_database_up"] == 1
