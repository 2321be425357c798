"""What the site answers over HTTP, for a worker that has not been given partitions yet."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from aiohttp import web

from streams.listening import WebAddressError, address_of, listen
from streams.operations.metrics import Metrics
from streams.operations.site import Pages
from streams.settings import Settings
from streams.worker import Worker


@dataclass
class Visit:
    """A client of the site, and what decides the site's answers."""

    client: httpx.AsyncClient
    worker: Worker
    now: float = 1000.0


@pytest.fixture
async def visit() -> AsyncIterator[Visit]:
    listening = listen("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url="http://{}:{}".format(*listening.getsockname())) as client:
        metrics = Metrics()
        worker = Worker(Settings(), metrics)
        worker.began = 1000.0
        visit = Visit(client, worker)
        runner = web.AppRunner(Pages(worker, tuple, metrics, lambda: visit.now).application())
        await runner.setup()
        await web.SockSite(runner, listening).start()
        yield visit
        await runner.cleanup()


async def test_health_turns_with_time(visit: Visit) -> None:
    answer = await visit.client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "starting")
    visit.now += 121
    answer = await visit.client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")
    assert "Kafka has assigned nothing for 121 s" in answer.json()["reasons"][0]


async def test_health_turns_with_what_fails(visit: Visit) -> None:
    visit.worker.trouble.why = "cannot reach Postgres"
    answer = await visit.client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["partitions cannot be taken over: cannot reach Postgres"]
    visit.worker.trouble.why = None
    assert (await visit.client.get("/healthz")).status_code == 200


async def test_metrics_come_in_the_form_that_is_asked_for(visit: Visit) -> None:
    plain = await visit.client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "funnelproof_prover 0.0\n" in plain.text
    open_metrics = await visit.client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")


async def test_the_front_page_names_the_others(visit: Visit) -> None:
    text = (await visit.client.get("/")).text
    assert visit.worker.name in text
    assert "/metrics" in text
    assert "/healthz" in text
    assert "/deals/" in text


async def test_a_deal_is_not_known_yet(visit: Visit) -> None:
    answer = await visit.client.get("/deals/6a0b4b4e-6a0a-4c0e-8d6d-0f5b6f9f7f01")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json() == {"error": "this worker has not been given partitions yet"}
    answer = await visit.client.get("/deals/4711")
    assert (answer.status_code, "as a UUID" in answer.text) == (400, True)


def test_a_site_on_all_addresses_is_known_by_the_machines_name() -> None:
    with listen("127.0.0.1", 0) as one, listen("", 0) as all_of_them, listen("::1", 0) as six:
        ports = [each.getsockname()[1] for each in (one, all_of_them, six)]
        assert [address_of(each) for each in (one, all_of_them, six)] == [
            f"http://127.0.0.1:{ports[0]}",
            f"http://{socket.gethostname()}:{ports[1]}",
            f"http://[::1]:{ports[2]}",
        ]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_free_port_is_found(host: str) -> None:
    with listen(host, 0) as one, listen(host, 0) as other:
        assert one.getsockname()[1] != other.getsockname()[1] != 0


def test_an_address_that_cannot_be_had_is_named_with_a_way_out() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            WebAddressError, match=rf"127.0.0.1 port {port} \(Address already in use\): choose"
        ):
            listen("127.0.0.1", port)
    with pytest.raises(WebAddressError, match=r"nowhere\.invalid port 0"):
        listen("nowhere.invalid", 0)
