"""`funnelproof reconcile --explain`: each planted fault is found and called by its name, and nothing else."""

import asyncio
import json
from datetime import timedelta

import pytest

from streams.cdc.routing import partition_of
from streams.explaining import explain_differences
from streams.reconciliation import reconcile
from streams.reconciliation.reconcile import Sessions
from streams.store.closed_scope import ClosedScope
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.plants import PLANTS, Planted, installation, planted
from tests.integration.stream.writing import keep_writing

__all__ = ["installation", "planted"]

pytestmark = pytest.mark.timeout(180)

EDIT = """
update dyno_crm.report_stage_conversion_fact set entered_count = {} where tenant_id = $1 and entered_count >= $2
"""


@pytest.mark.parametrize("fault", PLANTS[:-1])
async def test_each_planted_fault_is_found_and_named(planted: Planted, fault: str) -> None:
    found = planted.of(fault)
    expected = {"deleted_in_log": "stale"}.get(fault, fault)
    assert {each["fault"] for each in found} == {expected}, found
    assert {each["window_start"] for each in found} == {planted.start.isoformat()}
    assert all(each["sentence"] for each in found)


async def test_nothing_is_found_where_nothing_was_planted(planted: Planted) -> None:
    assert planted.of("nothing") == []
    assert planted.differences("nothing") == []
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


async def test_a_fact_that_was_edited_by_hand_is_named_and_nothing_else(planted: Planted) -> None:
    funnel = planted.funnels["fact_edited"]
    fact = await planted.installation.connection.fetchrow(
        "select * from dyno_crm.stage_conversion_current "
        "where tenant_id = $1 and window_name = '3s' and from_stage = 'a' and entered_count = 7",
        funnel.tenant,
    )
    assert fact is not None
    assert planted.told["runs"] > 1
    assert planted.differences("fact_edited") == [
        {
            "tenant_id": str(funnel.tenant),
            "pipeline_id": str(funnel.pipeline),
            "window": "3s",
            "window_start": fact["window_start"].isoformat(),
            "window_end": fact["window_end"].isoformat(),
            "revision": 1,
            "run_id": str(fact["run_id"]),
            "from_stage_id": str(funnel.ids["a"]),
            "to_stage_id": str(funnel.ids["b"]),
            "fact": {"entered": 7, "converted": 2},
            "sql": {"entered": 2, "converted": 2},
        }
    ]
    done = await asyncio.to_thread(planted.installation.run, "reconcile", "--tenant", str(funnel.tenant))
    assert done.returncode == 1
    for word in (funnel.tenant, funnel.pipeline, fact["window_start"].isoformat(), "a -> b"):
        assert str(word) in done.stdout


async def test_a_run_that_was_deleted_is_missed(planted: Planted) -> None:
    missed = {(each["run_id"], each["fact"]) for each in planted.differences("run_deleted")}
    assert missed == {(None, None)}


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


async def test_a_window_that_is_revised_while_it_is_explained_has_no_fault(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CRM writes after an explanation has read the CRM, and before the explanation reads the facts."""
    installation, connection, funnel = planted.installation, planted.installation.connection, Funnel()
    await funnel.create(connection)
    await installation.proven()
    start = await installation.next_window()
    await funnel.enter_two_deals(connection, start)
    entered = (
        "select exists (select from dyno_crm.stage_conversion_current where tenant_id = $1 "
        "and window_name = '3s' and window_start = $2 and entered_count = $3)"
    )
    await installation.wait_until(entered, funnel.tenant, start, 2)
    await connection.execute(EDIT.format("entered_count + 5"), funnel.tenant, 2)
    found = await reconcile(installation.settings, ClosedScope(tenant_id=funnel.tenant, window_name="3s"))
    assert found.differences
    prove = Sessions.prove

    async def write_and_prove(sessions: Sessions) -> None:
        await connection.execute(
            "delete from dyno_crm.deal_pipeline_stage_state where id = $1", funnel.ids["e1a"]
        )
        await installation.wait_until(entered, funnel.tenant, start, 1)
        await prove(sessions)

    monkeypatch.setattr(Sessions, "prove", write_and_prove)
    told = await explain_differences(installation.settings, found.differences)
    assert [each.sentence for each in told.findings] == []
    assert (told.pairs, told.equal, told.unsettled) == (len(found.differences), told.pairs, 0)


@pytest.mark.thorough
async def test_writes_and_corrections_that_go_on_meanwhile_are_no_differences_and_no_faults_of_capture(
    planted: Planted,
) -> None:
    installation, connection, busy = planted.installation, planted.installation.connection, Funnel()
    await busy.create(connection)
    only = ("--tenant", str(busy.tenant))
    async with keep_writing(installation, [busy]) as writing:
        await asyncio.sleep(4)
        for _ in range(2):
            _, found = await asyncio.to_thread(installation.reconcile, *only)
            assert found["differences"] == []
        start = (await installation.next_window()) - timedelta(seconds=6)
        await installation.wait_until(
            "select exists (select from dyno_crm.stage_conversion_current where tenant_id = $1 "
            "and window_name = '3s' and window_start = $2 and entered_count > 0)",
            *(busy.tenant, start),
        )
        await connection.execute(EDIT.format("entered_count + 100000"), busy.tenant, 0)
        for _ in range(2):
            _, told = await asyncio.to_thread(planted.explain, *only)
            findings = told.get("explanation", {}).get("findings", [])
            assert [each["sentence"] for each in findings if each["fault"] != "fact_edited"] == []
        assert writing.transactions > 200
        assert writing.corrections > 20
    await connection.execute(EDIT.format("entered_count - 100000"), busy.tenant, 100_000)
    await installation.proven()
    revisions = "select max(revision) from funnelproof.window_run where tenant_id = $1"
    assert await connection.fetchval(revisions, busy.tenant) > 1
    await installation.right(busy.tenant)
    status, _ = await asyncio.to_thread(installation.reconcile, *only)
    assert status == 0
