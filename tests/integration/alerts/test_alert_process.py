"""The process of alerts on a real report database: the metrics and the health page, and what `status` tells."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx
import pytest

from streams.alerts.overview import Overview, read_overview, receiver_names
from streams.alerts.rule_file import RuleFile
from streams.alerts.service import AlertService
from streams.listening import address_of, listen
from streams.operations.alert_metrics import AlertMetrics
from streams.operations.alert_site import serve
from streams.settings import Settings
from streams.store.installation import register_installation
from tests.fakes.alerts import transition
from tests.integration.alerts.conftest import Outbox, running, soon
from tests.integration.closing.conftest import START, desk_of

RULES = """
[receivers.hook]
webhook = "http://127.0.0.1:9/"
secret = "a secret in plain words"

[[rule]]
name = "conversion drops"
kind = "drop"
window = "1m"
receivers = ["hook"]
"""


@dataclass
class Process:
    """A running process of alerts with its site, and the database it works on."""

    client: httpx.AsyncClient
    service: AlertService
    outbox: Outbox
    rules: Path

    async def sample(self, name: str) -> float | None:
        """Scrape the site and return a sample; None for a sample that is not there."""
        text = (await self.client.get("/metrics")).text
        found = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")]
        return float(found[0]) if found else None

    async def status(self) -> str:
        return str((await self.client.get("/healthz")).json()["status"])

    async def overview(self) -> Overview:
        async with self.outbox.pool.acquire() as connection:
            return await read_overview(connection, receiver_names(self.rules, ("1m",)))


@pytest.fixture
async def process(database: str, outbox: Outbox, tmp_path: Path) -> AsyncIterator[Process]:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES, "utf-8")
    settings = Settings(
        source_dsn=database, report_dsn=database, kafka="127.0.0.1:9", windows=("1m",), alert_rules=rules
    )
    async with outbox.pool.acquire() as connection:
        await register_installation(connection, "funnelproof", START)
    await desk_of(outbox.pool)
    metrics = AlertMetrics()
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(listen("127.0.0.1", 0))
        pool = await stack.enter_async_context(asyncpg.create_pool(database, min_size=1, max_size=2))
        service = AlertService(settings, pool, RuleFile(rules, ("1m",)), metrics.count_look)
        await stack.enter_async_context(serve(listening, service, metrics))
        client = httpx.AsyncClient(base_url=address_of(listening), trust_env=False)
        yield Process(await stack.enter_async_context(client), service, outbox, rules)


async def test_the_site_tells_of_looks_alerts_and_receivers(process: Process) -> None:
    assert await process.sample("funnelproof_alerts_evaluating") == 0
    async with running(process.service.run):
        await soon(lambda: process.sample("funnelproof_alert_look_duration_seconds_count"))
        assert await process.sample("funnelproof_alerts_evaluating") == 1
        assert await process.sample("funnelproof_alerts_held") == 1  # nothing is proven in this database
        await process.outbox.put(transition(decided_at=datetime.now(UTC)), to=("hook",))
        await soon(lambda: process.sample('funnelproof_alert_receiver_failures_total{receiver="hook"}'))
        assert await process.sample('funnelproof_alert_receiver_waiting{receiver="hook"}') == 1
        age = await process.sample('funnelproof_alert_receiver_oldest_age_seconds{receiver="hook"}')
        assert age is not None
        assert 0 < age < 60
        assert await process.sample('funnelproof_alert_receiver_delivered_total{receiver="hook"}') == 0
        assert await process.status() == "degraded"
    assert await process.sample("funnelproof_alerts_evaluating") == 0


async def test_a_rule_file_that_breaks_is_told_until_it_is_mended(process: Process) -> None:
    async def broken() -> bool:
        return await process.sample("funnelproof_alert_rules_broken") == 1

    async def noted() -> bool:
        evaluator = (await process.overview()).evaluator
        return evaluator is not None and "is no TOML" in "".join(evaluator.broken_rules)

    async def mended() -> bool:
        return not await broken()

    async with running(process.service.run):
        process.rules.write_text("no rules", "utf-8")
        await soon(broken)
        answer = (await process.client.get("/healthz")).json()
        assert any("is no TOML" in warning for warning in answer["warnings"])
        await soon(noted)
        process.rules.write_text(RULES, "utf-8")
        await soon(mended)


async def test_the_overview_knows_who_evaluates_and_for_whom_something_waits(process: Process) -> None:
    assert (await process.overview()).evaluator is None
    async with running(process.service.run):
        await soon(lambda: _evaluated(process))
        await process.outbox.put(transition(), to=("hook",))
        overview = await process.overview()
        assert {each.name: each.waiting for each in overview.receivers} == {"hook": 1, "kafka": 1}
        assert all(each.known and each.age is not None for each in overview.receivers)
        assert overview.states == {"firing": 0, "pending": 0, "held": 0, "silenced": 0}
    assert not (await process.overview()).is_evaluated


async def _evaluated(process: Process) -> bool:
    return (await process.overview()).is_evaluated
