"""`funnelproof reconcile --explain`: each planted fault is found, and called by its name, down to deal and row."""

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
from tests.integration.stream.writing import keep_writing

pytestmark = pytest.mark.timeout(180)

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
    start_worker(installation, int((settings.dashboard_worker_url or "").rpartition(":")[2]))
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


@pytest.mark.parametrize("fault", PLANTS[:-1])
async def test_each_planted_fault_is_found_and_named(planted: Planted, fault: str) -> None:
    found = planted.of(fault)
    expected = {"deleted_in_log": "stale"}.get(fault, fault)
    assert {each["fault"] for each in found} == {expected}, found
    assert {each["window_start"] for each in found} == {planted.start.isoformat()}
    assert all(each["sentence"] for each in found)


async def test_nothing_is_found_where_nothing_was_planted(planted: Planted) -> None:
    assert planted.of("nothing") == []
    told = planted.told["explanation"]
    assert told["explained_pairs"] == len(planted.told["differences"])
    assert (told["equal_by_now"], told["left_out_pairs"], told["left_out_deals"]) == (0, 0, 0)


async def test_a_fault_of_capture_is_told_down_to_the_row(planted: Planted) -> None:
    partitions = planted.installation.settings.partitions
    for fault, row_name in (("ghost", "e1b"), ("stale", "e1b"), ("deleted_in_log", "e1b")):
        funnel = planted.funnels[fault]
        deal = funnel.ids["deal_1"]
        for each in planted.of(fault):
            assert each["deal_id"] == str(deal)
            (row,) = each["rows"]
            assert row["row_id"] == str(funnel.ids[row_name])
            assert json.loads(row["key"]) == {"deal_id": str(deal), "id": row["row_id"]}
            assert row["partition"] == row["belongs_to"] == partition_of(deal, partitions)
            assert row["version"] > 0
            assert row["in_source"] == (fault != "ghost")
    for fault in ("lost", "dead_letter", "wrong_partition"):
        (each,) = planted.of(fault)
        assert each["from_stage_id"] == str(planted.funnels[fault].ids["b"])
        (row,) = each["rows"]
        assert (row["row_id"], row["in_source"]) == (str(planted.rows[fault]), True)
        home = row["belongs_to"]
        places = {"lost": None, "dead_letter": home, "wrong_partition": (home + 1) % partitions}
        assert (row["partition"], row["version"]) == (
            places[fault],
            77 if fault == "wrong_partition" else None,
        )
        assert (row["key"] is None) == (fault == "lost")


async def test_four_witnesses_tell_capture_from_state_from_facts(planted: Planted) -> None:
    def told(fault: str, stage: str) -> list[tuple[int, int] | None]:
        stage_id = str(planted.funnels[fault].ids[stage])
        (each,) = (found for found in planted.of(fault) if found["from_stage_id"] == stage_id)
        counts = (each[name] for name in ("source", "log", "partials", "facts"))
        return [some and (some["entered"], some["converted"]) for some in counts]

    assert told("lost", "b") == [(2, 2), (2, 1), (2, 1), (2, 1)]
    assert told("ghost", "a") == [(2, 1), (2, 2), (2, 2), (2, 2)]
    assert told("missing_in_state", "a") == [(2, 2), (2, 2), (1, 1), (1, 1)]
    assert told("partial_edited", "a") == [(2, 2), (2, 2), (3, 2), (3, 2)]
    assert told("fact_edited", "a") == [(2, 2), (2, 2), (2, 2), (7, 2)]
    assert told("run_deleted", "a") == [(2, 2), (2, 2), (2, 2), None]


async def test_a_deal_that_the_worker_lacks_is_named(planted: Planted) -> None:
    funnel = planted.funnels["missing_in_state"]
    found = planted.of("missing_in_state")
    assert {each["deal_id"] for each in found} == {str(funnel.ids["deal_1"])}
    assert {row["row_id"] for each in found for row in each["rows"]} == {
        str(funnel.ids["e1a"]),
        str(funnel.ids["e1b"]),
    }
    assert all(row["key"] and row["version"] for each in found for row in each["rows"])


async def test_the_page_finds_the_findings_in_postgres(planted: Planted) -> None:
    connection = planted.installation.connection
    one = str(planted.funnels["ghost"].tenant)
    async with connection.transaction():
        await connection.execute("select set_config('funnelproof.tenants', $1, true)", one)
        faults = await connection.fetch("select distinct tenant_id::text, fault from funnelproof.web_finding")
        assert [tuple(row) for row in faults] == [(one, "ghost")]
        concerned = await connection.fetchval("select count(*) from funnelproof.web_finding_row")
        assert concerned == sum(len(each["rows"]) for each in planted.of("ghost"))
    rows = await connection.fetch(
        "select fault, tenant_id, count(*) as findings, bool_and(resolved_at is null) as is_open "
        "from funnelproof.finding where tenant_id = any($1::uuid[]) group by 1, 2",
        [funnel.tenant for funnel in planted.funnels.values()],
    )
    assert {(row["fault"], str(row["tenant_id"]), row["findings"]) for row in rows if row["is_open"]} == {
        (each["fault"], each["tenant_id"], len(planted.of(fault)))
        for fault in PLANTS
        for each in planted.of(fault)
    }


async def test_people_get_a_table_and_hear_what_was_left_out(planted: Planted) -> None:
    options = ("--window", "3s", "--explain", "--explain-limit", "1", "--tenant")
    tenant = str(planted.funnels["missing_in_state"].tenant)
    done = await asyncio.to_thread(planted.installation.run, "reconcile", *options, tenant)
    assert done.returncode == 1, done.stderr
    assert "missing in state" in " ".join(done.stdout.split())
    assert "1 pairs were left out" in done.stderr


async def test_an_equal_comparison_resolves_the_findings_of_the_window(planted: Planted) -> None:
    connection, funnel = planted.installation.connection, planted.funnels["fact_edited"]
    await connection.execute(
        "update dyno_crm.report_stage_conversion_fact set entered_count = 2 "
        "where tenant_id = $1 and entered_count = 7",
        funnel.tenant,
    )
    status, told = await asyncio.to_thread(planted.explain, "--tenant", str(funnel.tenant))
    assert (status, told["outcome"], "explanation" in told) == (0, "equal", False)
    open_ones = "select count(*) from funnelproof.finding where tenant_id = $1 and resolved_at is null"
    assert await connection.fetchval(open_ones, funnel.tenant) == 0
    assert await connection.fetchval(open_ones, planted.funnels["lost"].tenant) == 1


@pytest.mark.thorough
async def test_changes_that_come_meanwhile_are_no_faults_of_capture(planted: Planted) -> None:
    installation, busy = planted.installation, Funnel()
    await busy.create(installation.connection)
    async with keep_writing(installation, [busy]) as writing:
        await asyncio.sleep(4)
        start = (await installation.next_window()) - timedelta(seconds=6)
        await installation.wait_until(
            "select exists (select from dyno_crm.stage_conversion_current where tenant_id = $1 "
            "and window_name = '3s' and window_start = $2 and entered_count > 0)",
            *(busy.tenant, start),
        )
        await installation.connection.execute(
            "update dyno_crm.report_stage_conversion_fact set entered_count = entered_count + 100 "
            "where tenant_id = $1",
            busy.tenant,
        )
        for _ in range(3):
            _, told = await asyncio.to_thread(planted.explain, "--tenant", str(busy.tenant))
            faults = {each["fault"] for each in told.get("explanation", {}).get("findings", [])}
            assert faults <= {"fact_edited"}, told
        assert writing.corrections > 20
