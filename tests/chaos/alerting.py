"""Alerts under faults: an installation whose conversion falls and recovers in turns, and what is told of it.

Four pipelines have a steady flow of deals, windows of ten seconds, and one rule. A *turn* is a drop and a recovery in
all of them, during which something is killed. A drop is short: a drop of 14 windows would become the usual rate.
"""

import asyncio
import heapq
import json
import random
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import psutil

from streams.local.stack import CRM_DATABASE
from tests.chaos.stage import FOLDING
from tests.integration.alerts.web import Site
from tests.integration.alerts.web import site as running_site
from tests.integration.published import read_topic
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker, installed
from tests.servers import EmbeddedServers

PIPELINES = 4
TICK = 0.25
DEALS = 5
"""Deals that enter a pipeline in a tick."""
USUAL, FALLEN = 0.6, 0.02
DROP = 100
"""The most ticks of a drop."""
LEARN = 16 * 10.0
"""Seconds of steady traffic before the first turn: 14 windows are learned."""
RULES = """
[receivers.hook]
webhook = "{url}/alerts"
secret = "a secret in plain words"

[[rule]]
name = "drops"
kind = "drop"
window = "10s"
drop = "30%"
pairs = ["a -> b"]
receivers = ["kafka", "hook"]
"""
SETTINGS = {
    "WINDOWS": "10s",
    "PROOF_WAIT": "6s",
    "CHECKPOINT_INTERVAL": "1s",
    "SESSION_TIMEOUT": "4s",
}
ENTER = """
insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select gen_random_uuid(), told.tenant, told.deal, told.pipeline, told.stage, clock_timestamp()
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as told (tenant, deal, pipeline, stage)
"""
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
Row = tuple[UUID, UUID, UUID, UUID]


@dataclass
class Flow:
    """Deals that enter a, and convert to b within a second; `rate` of them."""

    dsn: str
    funnels: list[Funnel]
    chance: random.Random
    rate: float = USUAL
    ticks: int = 0
    _due: list[tuple[float, int, Row]] = field(default_factory=list)
    _number: int = 0

    async def run(self) -> None:
        """Write until cancelled; a server that was killed is waited for."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(self.dsn, command_timeout=10)
                try:
                    while True:
                        await self._tick(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.1)

    async def _tick(self, connection: asyncpg.Connection) -> None:
        began = time.monotonic()
        rows: list[Row] = []
        while self._due and self._due[0][0] <= began:
            rows.append(heapq.heappop(self._due)[2])
        for funnel in self.funnels:
            for _ in range(DEALS):
                deal = uuid4()
                rows.append((funnel.tenant, deal, funnel.pipeline, funnel.ids["a"]))
                if self.chance.random() < self.rate:
                    self._number += 1
                    row = (funnel.tenant, deal, funnel.pipeline, funnel.ids["b"])
                    heapq.heappush(self._due, (began + self.chance.uniform(0.1, 1), self._number, row))
        await connection.execute(ENTER, *zip(*rows, strict=True))
        self.ticks += 1
        await asyncio.sleep(max(0.0, TICK - (time.monotonic() - began)))


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
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
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
async def alarm_on(servers: EmbeddedServers, folder: Path, seed: str) -> AsyncIterator[Alarm]:
    """Set an installation up whose rule has learned what is usual."""
    assert servers.postgres_dsn
    async with running_site() as site, installed(servers, CRM_DATABASE, folder, **SETTINGS) as installation:
        funnels = [Funnel() for _ in range(PIPELINES)]
        for funnel in funnels:
            await funnel.create(installation.connection)
        rules = folder / "rules.toml"
        rules.write_text(RULES.format(url=site.url), "utf-8")
        flow = Flow(installation.settings.source_dsn, funnels, random.Random(seed))
        environment = installation.environment | {"FUNNELPROOF_ALERT_RULES": str(rules)}
        alarm = Alarm(installation, servers, flow, site, environment)
        installation.start_worker()
        await installation.wait_until_folding()
        writing = asyncio.create_task(flow.run())
        try:
            alarm.start_evaluator()
            await asyncio.sleep(LEARN)
            yield alarm
        finally:
            writing.cancel()
            await asyncio.wait([writing])
            for each in alarm.evaluators:
                each.kill()
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await installation.connection.close()
            installation.connection = await asyncpg.connect(installation.settings.source_dsn)


async def turn(alarm: Alarm, fault: str) -> str:
    """Let conversion fall and recover; the fault comes at a random moment. Return what happened."""
    flow, began, before = alarm.flow, time.monotonic(), await alarm.fired()
    happening = asyncio.create_task(_after(alarm, flow.chance.uniform(0.5, 14), fault))
    fired = await drop(alarm, before)
    await alarm.quiet(before + PIPELINES)
    evidence = await happening
    await asyncio.sleep(10)  # a window of usual traffic
    transitions, records, requests = await alarm.told()
    return (
        f"{fault}: a drop of {fired:.0f} s fired, resolved after {time.monotonic() - began - 10:.0f} s; "
        f"{transitions} transitions once each, {records} records, {requests} requests so far; {evidence}"
    )


async def drop(alarm: Alarm, before: int) -> float:
    """Let conversion fall until all alerts have fired, or for DROP ticks; return the seconds."""
    flow, began = alarm.flow, time.monotonic()
    last, flow.rate = flow.ticks + DROP, FALLEN
    try:
        while flow.ticks < last and await alarm.fired() < before + PIPELINES:
            await asyncio.sleep(0.25)
    finally:
        flow.rate = USUAL
    return time.monotonic() - began


async def _after(alarm: Alarm, seconds: float, fault: str) -> str:
    await asyncio.sleep(seconds)
    return f"after {seconds:.1f} s {await FAULTS[fault](alarm)}"


async def kill_evaluator(alarm: Alarm) -> str:
    """The evaluator dies, and another begins."""
    last = alarm.evaluators[-1]
    assert last.runs, last.log()
    last.kill()
    await asyncio.sleep(alarm.flow.chance.uniform(0, 2))
    alarm.start_evaluator()
    return f"evaluator {last.process.pid} ended by SIGKILL"


async def kill_worker(alarm: Alarm) -> str:
    """The worker dies, and another begins."""
    worker = alarm.worker
    worker.kill()
    await asyncio.sleep(alarm.flow.chance.uniform(0, 2))
    if alarm.flow.chance.random() < 0.4:
        shutil.rmtree(alarm.installation.folder / "state", ignore_errors=True)
    alarm.installation.start_worker()
    return f"worker {worker.process.pid} ended by SIGKILL"


async def kill_postgres(alarm: Alarm) -> str:
    """Source and report go away."""
    return await _kill_server(alarm, "postgres")


async def kill_kafka(alarm: Alarm) -> str:
    """Kafka goes away."""
    return await _kill_server(alarm, "kafka")


async def _kill_server(alarm: Alarm, name: str) -> str:
    server = getattr(alarm.servers.stack, name)
    pid = server.pid
    server.kill()
    await asyncio.sleep(alarm.flow.chance.uniform(0, 2))
    await asyncio.to_thread(server.start)
    return f"{name} {pid} ended by SIGKILL"


async def nothing(alarm: Alarm) -> str:
    """No fault: the turn is measured."""
    return f"nothing happened to {len(alarm.evaluators)} evaluators"


FAULTS = {
    "kill -9 evaluator": kill_evaluator,
    "kill -9 worker": kill_worker,
    "kill -9 postgres": kill_postgres,
    "kill -9 kafka": kill_kafka,
    "no fault": nothing,
}


async def stall(alarm: Alarm, what: str, seconds: float) -> str:
    """Let something stand still in usual traffic: no alert; a drop meanwhile is told of after, and not before."""
    await asyncio.sleep(5)
    fired = await alarm.fired()
    with _stopped(_process(alarm, what)):
        await asyncio.sleep(seconds)
        assert await alarm.fired() == fired
    await _caught_up(alarm)
    await asyncio.sleep(10)
    assert await alarm.fired() == fired, alarm.evidence()
    alarm.flow.rate = FALLEN
    with _stopped(_process(alarm, what)):
        await asyncio.sleep(15)
    alarm.flow.rate = USUAL
    await alarm.quiet(fired + PIPELINES)
    await alarm.told()
    return f"{what} stood still for {seconds:.0f} s: no alert; the drop during the next 15 s was told of"


def _process(alarm: Alarm, what: str) -> int:
    if what == "worker":
        return alarm.worker.process.pid
    pid = alarm.servers.stack.connect.pid
    assert pid is not None
    return pid


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    process = psutil.Process(pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


async def _caught_up(alarm: Alarm) -> None:
    now: datetime = await alarm.installation.now()
    question = "select source_time > $1 from funnelproof.prover"
    await alarm.installation.wait_until(question, now, seconds=FOLDING)
