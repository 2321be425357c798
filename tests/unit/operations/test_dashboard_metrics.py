"""The metrics of a dashboard: what is counted, and what is read at a scrape."""

import httpx
import pytest
from fastapi import FastAPI

from streams.operations.dashboard_metrics import DashboardMetrics, DashboardReading
from streams.web.observed import CountedAnswers
from tests.unit.operations import scrapes


def full() -> DashboardMetrics:
    metrics = DashboardMetrics()
    metrics.count_answer("/", 200, 0.03)
    metrics.count_answer("/", 503, 5.0)
    metrics.count_statement("pulse", 0.004)
    metrics.count_failure("report", "silent")
    metrics.reading = DashboardReading(followers=50, pages=3, age=0.4, is_answered=True)
    return metrics


def test_a_scrape_shows_answers_statements_followers_and_the_age_of_the_numbers() -> None:
    samples = scrapes.shown(full().registry)
    expected = {
        "funnelproof_dashboard_requests_total['/', '200']": 1,
        "funnelproof_dashboard_requests_total['/', '503']": 1,
        "funnelproof_dashboard_request_duration_seconds_count['/']": 2,
        "funnelproof_dashboard_query_duration_seconds_count['pulse']": 1,
        "funnelproof_dashboard_database_failures_total['report', 'silent']": 1,
        "funnelproof_dashboard_database_failures_total['crm', 'slow']": 0,
        "funnelproof_dashboard_followers": 50,
        "funnelproof_dashboard_followed_pages": 3,
        "funnelproof_dashboard_data_age_seconds": 0.4,
        "funnelproof_dashboard_database_up": 1,
    }
    assert {name: samples[name] for name in expected} == expected


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    samples = scrapes.shown(DashboardMetrics().registry)
    assert samples["funnelproof_dashboard_followers"] == 0
    assert "funnelproof_dashboard_data_age_seconds" not in samples
    assert "funnelproof_dashboard_database_up" not in samples


@pytest.fixture
def site() -> FastAPI:
    """A site with a route that answers, and a route that fails."""
    site = FastAPI()

    @site.get("/deals/{deal_id}")
    async def deal(deal_id: int) -> int:
        return deal_id

    @site.get("/defect")
    async def defect() -> None:
        raise RuntimeError("a defect")

    return site


async def test_answers_are_counted_by_the_template_of_the_route_and_never_by_a_path(site: FastAPI) -> None:
    metrics = DashboardMetrics()
    site.add_middleware(CountedAnswers, observer=metrics)
    transport = httpx.ASGITransport(site, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for path in ("/deals/1", "/deals/2", "/deals/x", "/defect", "/a", "/b"):
            await client.get(path)
        await client.post("/deals/1")
    counted = {
        name.removeprefix("funnelproof_dashboard_requests_total"): count
        for name, count in scrapes.shown(metrics.registry).items()
        if name.startswith("funnelproof_dashboard_requests_total")
    }
    assert counted == {
        "['/deals/{deal_id}', '200']": 2,
        "['/deals/{deal_id}', '422']": 1,
        "['/deals/{deal_id}', '405']": 1,
        "['/defect', '500']": 1,
        "['404', 'other']": 2,
    }
