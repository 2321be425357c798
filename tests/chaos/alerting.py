"""Alerts under faults: an installation whose conversion falls and recovers in turns, and what is told of it.

Four pipelines have a steady flow of deals, windows of ten seconds, and one rule. The flow has a past, whose windows
`backfill` closes: the detector learns from them.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from streams.local.stack import CRM_DATABASE
from tests.chaos.alert_traffic import DEALS, Flow
from tests.chaos.crm import LOST_TOO
from tests.chaos.stage import FOLDING
from tests.integration.alerts.web import Site
from tests.integration.alerts.web import site as running_site
from tests.integration.published import read_topic
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker, installed
from tests.servers import EmbeddedServers

PIPELINES = 4
PAST = timedelta(seconds=18 * 10)
"""The past of the flow: 14 windows are learned."""
LEARNED = "select count(*) = $1 from funnelproof.alert_expectation where learned"
RULES = """
[receivers.hook]
webhook = "{url}/alerts"
secret = "a secret in plain words"

[[rule]]
name = "drops"
kind = "drop"
window = "10s"
drop = "50%"
pairs = ["a -> b"]
receivers = ["kafka", "hook"]
"""
SETTINGS = {
    "WINDOWS": "10s",
    "PROOF_WAIT": "6s",
    "CHECKPOINT_INTERVAL": "1s",
    "SESSION_TIMEOUT": "4s",
}
WRONG = {
    "numbers have gaps": """
        select alert_id, array_agg(number order by number) from funnelproof.alert_event group by alert_id
        having max(number) <> count(*) or min(number) <> 1
    """,
    "verdicts do not alternate": """
        select * from (
            select alert_id, number, transition = 'fired' as fires,
                lag(transition = 'fired', 1, false) over (partition by alert_id order by number) as fired
            from funnelproof.alert_event where is_verdict
        ) as each where fires = fired
    """,
}
FIRED = "select count(*) from funnelproof.alert_event where kind = 'drop' and transition = 'fired'"


@dataclass
class Alarm:
    """An installation with traffic and an evaluator of alerts."""

    installation: Installation
    servers: EmbeddedServers
    flow: Flow
    site: Site
    environment: dict[str, str]
    evaluators: list[Worker] = field(default_factory=list)

    @property
    def worker(self) -> Worker:
        """The worker that runs."""
        return [worker for worker in self.installation.workers if worker.runs][-1]

    def start_evaluator(self) -> None:
        """Start `funnelproof alerts run`."""
        log = self.installation.folder / f"alerts{len(self.evaluators)}.log"
        self.evaluators.append(Worker(self.environment, log, "alerts", "run"))

    async def asked(self, question: str, *arguments: object) -> object:
        """Return a value of the database, which may have been killed meanwhile."""
        async with asyncio.timeout(FOLDING):
            while True:
                with suppress(OSError, asyncpg.PostgresError, *LOST_TOO):
                    connection = await asyncpg.connect(
                        self.installation.settings.source_dsn, command_timeout=10
                    )
                    try:
                        return await connection.fetchval(question, *arguments)
                    finally:
                        connection.terminate()
                await asyncio.sleep(0.2)

    async def fired(self) -> int:
        """Return how often alerts of the rule have fired."""
        count = await self.asked(FIRED)
        assert isinstance(count, int)
        return count

    async def quiet(self, fired: int) -> None:
        """Wait until alerts have fired so often, and none fires."""
        question = "select not exists (select from funnelproof.alert_state where state = 'firing')"
        deadline = time.monotonic() + FOLDING
        while await self.fired() < fired or not await self.asked(question):
            assert time.monotonic() < deadline, f"not {fired} alerts that ended\n{self.evidence()}"
            await asyncio.sleep(0.25)

    def evidence(self) -> str:
        """Return what the processes said last."""
        return "\n".join([self.installation.evidence(), *(each.log(25) for each in self.evaluators[-2:])])

    async def told(self) -> tuple[int, int, int]:
        """Hold what was told to what was decided; return the numbers of transitions, records and requests."""
        waiting = "select count(*) from funnelproof.alert_delivery where delivered_at is null"
        deadline = time.monotonic() + FOLDING
        while await self.asked(waiting):
            assert time.monotonic() < deadline, f"receivers do not hear of everything\n{self.evidence()}"
            await asyncio.sleep(0.25)
        connection = await asyncpg.connect(self.installation.settings.source_dsn)
        try:
            for problem, question in WRONG.items():
                found = await connection.fetch(question)
                assert not found, f"{problem}: {[tuple(row) for row in found[:5]]}\n{self.evidence()}"
            decided = {
                str(row[0]) for row in await connection.fetch("select event_id from funnelproof.alert_event")
            }
            of_rule = {
                str(row[0])
                for row in await connection.fetch(
                    "select event_id from funnelproof.alert_event where kind = 'drop'"
                )
            }
        finally:
            await connection.close()
        settings = self.installation.settings
        records = [value["id"] for _, value in await read_topic(settings.kafka, settings.alerts_topic)]
        requests = [json.loads(each.body)["id"] for each in self.site.taken]
        assert set(records) == decided
        assert of_rule <= set(requests) <= decided
        return len(decided), len(records), len(requests)


@asynccontextmanager
async def alarm_on(
    servers: EmbeddedServers, folder: Path, seed: str, deals: int = DEALS
) -> AsyncIterator[Alarm]:
    """Set an installation up whose rule has learned what is usual."""
    assert servers.postgres_dsn
    async with running_site() as site, installed(servers, CRM_DATABASE, folder, **SETTINGS) as installation:
        funnels = [Funnel() for _ in range(PIPELINES)]
        for funnel in funnels:
            await funnel.create(installation.connection)
        rules = folder / "rules.toml"
        rules.write_text(RULES.format(url=site.url), "utf-8")
        flow = Flow(installation.settings.source_dsn, funnels, random.Random(seed), deals)
        environment = installation.environment | {"FUNNELPROOF_ALERT_RULES": str(rules)}
        alarm = Alarm(installation, servers, flow, site, environment)
        began = await installation.now()
        await flow.write_past(installation.connection, PAST.total_seconds())
        writing = asyncio.create_task(flow.run())
        try:
            installation.start_worker()
            await installation.wait_until_folding()
            await _close_past(installation, began - PAST, began)
            alarm.start_evaluator()
            await installation.wait_until(LEARNED, PIPELINES, seconds=FOLDING)
            yield alarm
        finally:
            writing.cancel()
            await asyncio.wait([writing])
            for each in alarm.evaluators:
                each.kill()
            with suppress(OSError, asyncpg.PostgresError, *LOST_TOO):
                await installation.connection.close()
            installation.connection = await asyncpg.connect(installation.settings.source_dsn)


async def _close_past(installation: Installation, start: datetime, end: datetime) -> None:
    span = "--from", start.isoformat(), "--to", end.isoformat()
    done = await asyncio.to_thread(installation.run, "backfill", *span)
    assert done.returncode == 0, done.stderr
