"""Faults planted in a closed window, each in a funnel of its own: in the log, in a worker's state, in the facts."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from streams.cdc.routing import partition_of
from streams.domain.change import Change
from streams.domain.codes import Vocabulary
from streams.domain.deal import GONE, ROW_SIZE, entries
from streams.domain.partition import PartitionState
from streams.fold.checkpoint import Checkpoint, Checkpoints
from streams.store.timezones import recorded_plan
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.letters import FORGET, IN_DOUBT, event_of, produce

PLANTS = (
    *("lost", "ghost", "stale", "deleted_in_log", "dead_letter", "wrong_partition", "missing_in_state"),
    *("partial_edited", "fact_edited", "run_deleted", "run_added", "pairs_changed", "nothing"),
)
LATEST = """
select run_id from dyno_crm.stage_conversion_current
where tenant_id = $1 and pipeline_id = $2 and window_name = '3s' and window_start = $3 limit 1
"""
LARGER_PARTIAL = """
update funnelproof.partial
set
    deals = partial.deals + 1,
    profile = partial.profile + 1,
    flush = (select progress.flushes + 1 from funnelproof.partition_progress as progress
             where progress.epoch = partial.epoch and progress.partition = partial.partition)
where
    partial.tenant_id = $1 and partial.window_name = '3s' and partial.window_start = $2
    and partial.from_stage_id = $3 and partial.to_stage_id = $3
    and partial.partition = (
        select min(other.partition) from funnelproof.partial as other
        where other.tenant_id = $1 and other.deals > 0 and other.from_stage_id = $3
    )
"""
ADDED_RUN = """
with latest as (
    select run.*, header.parameters, header.report_type, header.status, header.period_start, header.period_end
    from funnelproof.window_run as run
    inner join dyno_crm.report_run as header on header.id = run.run_id
    where run.run_id = $1
), header as (
    insert into dyno_crm.report_run
        (id, tenant_id, report_type, generated_at, period_start, period_end, parameters, status)
    select $2, tenant_id, report_type, clock_timestamp(), period_start, period_end, parameters, status from latest
    returning id
), run as (
    insert into funnelproof.window_run
    select $2, tenant_id, pipeline_id, window_name, window_start, window_end, revision + 1, causes, lowest_lsn,
        highest_lsn, epoch, positions, proof_id
    from latest, header
    returning run_id
)
insert into dyno_crm.report_stage_conversion_fact (
    run_id, tenant_id, pipeline_id, from_stage_id, to_stage_id, entered_count, converted_count, conversion_rate
)
select run.run_id, tenant_id, pipeline_id, from_stage_id, to_stage_id, entered_count + 5, converted_count, 0.1
from dyno_crm.report_stage_conversion_fact as fact, run
where fact.run_id = $1
"""


class Planted:
    """Funnels by the name of their fault, and what one explanation of the window of all faults has told."""

    def __init__(self, installation: Installation, start: datetime, funnels: dict[str, Funnel]) -> None:
        self.installation, self.start, self.funnels = installation, start, funnels
        self.rows: dict[str, UUID] = {}
        self.told: dict[str, Any] = {}

    def of(self, name: str) -> list[dict[str, Any]]:
        """What was found in the funnel of a fault."""
        tenant = str(self.funnels[name].tenant)
        return [each for each in self.told["explanation"]["findings"] if each["tenant_id"] == tenant]

    def differences(self, name: str) -> list[dict[str, Any]]:
        """What is different in the funnel of a fault."""
        tenant = str(self.funnels[name].tenant)
        return [each for each in self.told["differences"] if each["tenant_id"] == tenant]

    def start_worker(self) -> Worker:
        """Start the worker whose site an explanation asks."""
        port = int((self.installation.settings.dashboard_worker_url or "").rpartition(":")[2])
        return start_worker(self.installation, port)

    def explain(self, *options: str) -> tuple[int, dict[str, Any]]:
        return self.installation.reconcile("--window", "3s", "--explain", *options)


@pytest.fixture(scope="module")
async def installation(install: Install) -> AsyncIterator[Installation]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    async with install(WINDOWS="3s,1h", PROOF_WAIT="6s", DASHBOARD_WORKER_URL=url) as installation:
        start_worker(installation, port)
        await installation.wait_until_folding()
        yield installation


@pytest.fixture(scope="module")
async def planted(installation: Installation) -> Planted:
    """Every fault in a funnel of its own, in one closed window."""
    funnels = {name: Funnel() for name in PLANTS}
    for funnel in funnels.values():
        await funnel.create(installation.connection)
    await installation.proven()
    start = await installation.next_window()
    for funnel in funnels.values():
        await funnel.enter_two_deals(installation.connection, start)
    planted = Planted(installation, start, funnels)
    for funnel in funnels.values():
        await installation.wait_until(
            "select exists (select from dyno_crm.stage_conversion_current where tenant_id = $1 "
            "and window_name = '3s' and window_start = $2 and entered_count = 2)",
            *(funnel.tenant, start),
        )
    await plant_in_capture(planted)
    await plant_in_state(planted)
    await installation.connection.execute(
        LARGER_PARTIAL,
        *(funnels["partial_edited"].tenant, start, funnels["partial_edited"].ids["a"]),
    )
    await installation.wait_until(
        "select exists (select from dyno_crm.stage_conversion_current where tenant_id = $1 "
        "and window_name = '3s' and window_start = $2 and entered_count = 3)",
        *(funnels["partial_edited"].tenant, start),
    )
    await installation.proven()
    await plant_in_facts(planted)
    status, planted.told = await asyncio.to_thread(planted.explain)
    assert (status, planted.told["outcome"]) == (1, "different"), planted.told
    return planted


def start_worker(installation: Installation, port: int) -> Worker:
    log = installation.folder / f"worker{len(installation.workers)}.log"
    worker = Worker(installation.environment, log, "worker", "--web-port", str(port))
    installation.workers.append(worker)
    return worker


async def plant_in_capture(planted: Planted) -> None:
    """Changes of which no event tells: of the connector's point of view the table was away."""
    installation, funnels = planted.installation, planted.funnels
    connection, name = installation.connection, installation.settings.instance
    for fault in ("lost", "dead_letter", "wrong_partition"):
        planted.rows[fault] = uuid4()
    async with connection.transaction():
        await connection.execute(f"alter publication {name} drop table dyno_crm.deal_pipeline_stage_state")
        for fault in planted.rows:
            await enter(planted, fault)
        await funnels["ghost"].change(connection, "delete from :rows where id = :e1b")
        await funnels["stale"].change(connection, "update :rows set pipeline_stage_id = :c where id = :e1b")
        await connection.execute(f"alter publication {name} add table dyno_crm.deal_pipeline_stage_state")
    await installation.wait_until(IN_DOUBT)
    await connection.execute(FORGET)
    for fault, value in (("dead_letter", b'{"before":null,"after":'), ("wrong_partition", None)):
        deal, row = funnels[fault].ids["deal_1"], planted.rows[fault]
        home = partition_of(deal, installation.settings.partitions)
        partition = home if value else (home + 1) % installation.settings.partitions
        key = json.dumps({"deal_id": str(deal), "id": str(row)}, separators=(",", ":")).encode()
        await asyncio.to_thread(produce, installation, partition, key, value or created(planted, fault))
    gone = funnels["deleted_in_log"]
    message = await asyncio.to_thread(event_of, installation, gone.ids["e1b"])
    event = json.loads(message.value() or b"")
    event |= {"op": "d", "before": event["after"], "after": None}
    event["source"]["lsn"] += 1
    key, value = message.key() or b"", json.dumps(event).encode()
    await asyncio.to_thread(produce, installation, message.partition() or 0, key, value)
    await installation.proven()


async def enter(planted: Planted, fault: str) -> None:
    """Deal 1, which has gone from a to b, enters c."""
    funnel, at = planted.funnels[fault], planted.start + timedelta(milliseconds=90)
    await planted.installation.connection.execute(
        "insert into dyno_crm.deal_pipeline_stage_state (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, "
        "entered_at) values ($1, $2, $3, $4, $5, $6)",
        *(planted.rows[fault], funnel.tenant, funnel.ids["deal_1"], funnel.pipeline, funnel.ids["c"], at),
    )


def created(planted: Planted, fault: str) -> bytes:
    """The event that the row of `enter` should have."""
    funnel, at = planted.funnels[fault], planted.start + timedelta(milliseconds=90)
    after = {
        "id": planted.rows[fault],
        "tenant_id": funnel.tenant,
        "deal_id": funnel.ids["deal_1"],
        "pipeline_id": funnel.pipeline,
        "pipeline_stage_id": funnel.ids["c"],
        "entered_at": at.isoformat(),
    }
    source = {"connector": "postgresql", "ts_ms": int(at.timestamp() * 1000) + 9000, "lsn": 77}
    return json.dumps({"before": None, "after": after, "source": source, "op": "c"}, default=str).encode()


async def plant_in_state(planted: Planted) -> None:
    """Take a deal out of a checkpoint, and start the worker from there."""
    installation = planted.installation
    worker = installation.workers[-1]
    assert await worker.stop() == 0
    settings = installation.settings
    epoch = await installation.connection.fetchval("select epoch from funnelproof.installation")
    plan = await recorded_plan(installation.connection, settings.windows)
    (folder,) = checkpoint_folders(settings.state_dir)
    deal = planted.funnels["missing_in_state"].ids["deal_1"]
    partition = partition_of(deal, settings.partitions)
    checkpoints = Checkpoints(folder, UUID(str(epoch)))
    known = checkpoints.read(partition)
    assert known is not None
    state = PartitionState(plan, Vocabulary())
    state.restore(known.snapshot)
    packed = state.deals[deal.bytes]
    for number, (version, at, scope, _) in enumerate(entries(packed)):
        row = packed[number * ROW_SIZE : number * ROW_SIZE + 16]
        assert state.apply(Change(deal.bytes, row, scope, GONE, at, version + 1, at))
    del state.deals[deal.bytes]
    assert checkpoints.write(partition, Checkpoint(state.snapshot(), known.poisoned))
    planted.start_worker()
    await installation.wait_until_folding()
    await installation.wait_until(
        "select exists (select from dyno_crm.stage_conversion_current where tenant_id = $1 "
        "and window_name = '3s' and window_start = $2 and from_stage = 'a' and entered_count = 1)",
        *(planted.funnels["missing_in_state"].tenant, planted.start),
    )
    assert installation.workers[-1].resumed == settings.partitions


def checkpoint_folders(state: Path) -> set[Path]:
    return {path.parent for path in state.rglob("*.checkpoint")}


async def plant_in_facts(planted: Planted) -> None:
    connection, funnels = planted.installation.connection, planted.funnels

    async def run_of(name: str) -> UUID:
        run: UUID = await connection.fetchval(
            LATEST, funnels[name].tenant, funnels[name].pipeline, planted.start
        )
        return run

    await connection.execute(
        "update dyno_crm.report_stage_conversion_fact set entered_count = 7 where run_id = $1 and from_stage_id = $2",
        *(await run_of("fact_edited"), funnels["fact_edited"].ids["a"]),
    )
    await connection.execute("delete from dyno_crm.report_run where id = $1", await run_of("run_deleted"))
    await connection.execute(ADDED_RUN, await run_of("run_added"), uuid4())
    await connection.execute(
        "update dyno_crm.report_run set parameters = jsonb_set(parameters, '{stage_pairs}', "
        "(parameters -> 'stage_pairs') - 0) where id = $1",
        await run_of("pairs_changed"),
    )
