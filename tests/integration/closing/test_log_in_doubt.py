"""Facts are not revised by the counts of a log that may lack its beginning.

topic "topic"         o---- a window is closed, with a deal ----| deleted
topic "hollow"                                                    o---- no snapshot, no deal
topic "begun anew"                                                        o- snapshot -|---- the rows of the CRM
"""

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from streams.domain.proof import Proof
from streams.publish.closing import Published
from streams.publish.revising import request_present_pairs
from streams.reconciliation.comparison import Comparison
from streams.reconciliation.reader import Reader
from streams.store.closed_scope import ClosedScope
from streams.store.database import Pool
from streams.store.doubts import note_doubt, unresolved_doubts
from tests.integration.closing.conftest import Desk, desk_of, entry

MINUTE = timedelta(minutes=1)
IN_DOUBT = "select array_agg(reason) from funnelproof.log_in_doubt"


async def waiting(pool: Pool) -> int:
    count: int = await pool.fetchval("select count(*) from funnelproof.touched_window")
    return count


async def completeness(pool: Pool) -> list[str]:
    rows = await pool.fetch(
        "select distinct window_start, completeness from dyno_crm.stage_conversion_current order by window_start"
    )
    return [row["completeness"] for row in rows]


def without_marker(proof: Proof) -> Proof:
    marker = replace(proof.marker, marker_id=None, system_identifier=None, timeline=None)
    return replace(proof, marker=marker, doubts=["markers are not allowed"])


@pytest.fixture
async def closed(desk: Desk) -> Desk:
    """A window is closed, with a deal in it."""
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.close(60)
    assert await desk.facts() == [(1, 1, 0), (1, 0, 0)]
    return desk


@pytest.mark.usefixtures("closed")
async def test_a_topic_made_anew_without_a_snapshot_revises_nothing_and_closes_estimates(pool: Pool) -> None:
    hollow = await desk_of(pool, "hollow")
    assert await hollow.close(61) == Published()
    hollow.write("b", entry(1, 2), deal="late")
    hollow.write("c", entry(0, 62), deal="new")
    await hollow.flush()
    assert await hollow.close(120) == Published(windows=1, closed_runs=1)
    assert await hollow.facts() == [(1, 1, 0), (1, 0, 0)]
    assert await completeness(pool) == ["proven", "estimated"]
    assert await waiting(pool) == 1
    assert [doubt.kind for doubt in await unresolved_doubts(pool)] == ["topic"]


@pytest.mark.usefixtures("closed")
async def test_closed_windows_that_waited_are_revised_once_the_log_has_begun_anew_with_a_snapshot(
    pool: Pool,
) -> None:
    """Also a window that was closed on the hollow log; and other doubts about the former log hold nothing back."""
    hollow = await desk_of(pool, "hollow")
    await hollow.close(120)
    await note_doubt(pool, "slot", "moved")
    anew = await desk_of(pool, "begun anew")
    anew.write("a", entry(0, 1))
    anew.write("b", entry(0, 2), deal="written meanwhile")
    anew.write("c", entry(0, 62), deal="written meanwhile, too")
    await anew.flush()
    await anew.meet_snapshot(100)
    assert await anew.close(121) == Published(revised_runs=2)
    assert await anew.facts() == [(2, 2, 0), (2, 0, 0)]
    assert await waiting(pool) == 0


async def test_a_log_that_lost_counted_records_revises_nothing(closed: Desk, pool: Pool) -> None:
    await note_doubt(pool, "log_end", "lost")
    closed.write("a", None)
    await closed.flush()
    assert await closed.close(61) == Published()
    assert await closed.facts() == [(1, 1, 0), (1, 0, 0)]
    assert await waiting(pool) == 1


@pytest.mark.usefixtures("closed")
async def test_a_snapshot_may_be_under_way_until_a_marker_has_come_through_the_new_topic(pool: Pool) -> None:
    anew = await desk_of(pool, "begun anew")
    await anew.meet_snapshot(100)
    assert await anew.closing.publish(without_marker(anew.proof(61)), []) == Published()
    assert await pool.fetchval(IN_DOUBT) == ["no marker has come through the CDC topic that was made anew"]
    anew.write("a", entry(0, 1))
    anew.write("b", entry(0, 2), deal="another")
    await anew.flush()
    assert await anew.close(62) == Published(revised_runs=1)
    assert await unresolved_doubts(pool) == []
    assert await pool.fetchval(IN_DOUBT) is None


@pytest.mark.parametrize("snapshot", [True, False])
async def test_former_topics_are_known_also_where_no_marker_ever_came(
    desk: Desk, pool: Pool, snapshot: bool
) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.closing.publish(without_marker(desk.proof(60)), await desk.due(60))
    assert await pool.fetchval(IN_DOUBT) is None
    anew = await desk_of(pool, "begun anew")
    if snapshot:
        await anew.meet_snapshot(100)
    for marked in (False, True):
        proof = anew.proof(61)
        published = await anew.closing.publish(proof if marked else without_marker(proof), [])
        assert published.revised_runs == int(marked and snapshot)
    assert [doubt.kind for doubt in await unresolved_doubts(pool)] == ([] if snapshot else ["topic"])


@pytest.mark.usefixtures("closed")
async def test_a_request_for_the_present_pairs_waits_for_a_log_with_a_beginning(pool: Pool) -> None:
    hollow = await desk_of(pool, "hollow")
    await hollow.close(61)
    await pool.execute("delete from funnelproof.touched_window")
    await hollow.closing.publish(hollow.proof(62, stages=2), [])
    async with pool.acquire() as connection:
        assert await request_present_pairs(connection, ClosedScope()) == 1
    assert await hollow.closing.publish(hollow.proof(63, stages=2), []) == Published()
    assert await waiting(pool) == 1


async def test_a_correction_of_a_kind_that_is_no_longer_counted_waits_for_the_kind(
    closed: Desk, pool: Pool
) -> None:
    closed.write("b", entry(0, 2), deal="late")
    await closed.flush()
    await pool.execute("update funnelproof.epoch set windows = '{1h}'")
    assert await closed.close(61) == Published()
    async with pool.acquire() as connection:
        assert await request_present_pairs(connection, ClosedScope()) == 0
    await pool.execute("update funnelproof.epoch set windows = '{1m}'")
    assert await closed.close(62) == Published(revised_runs=1)


async def test_a_window_whose_boundaries_were_moved_by_another_tzdata_keeps_its_facts(
    closed: Desk, pool: Pool
) -> None:
    for table in ("window_run", "time_window"):
        await pool.execute(f"update funnelproof.{table} set window_end = window_end - interval '1 s'")  # noqa: S608 - ours
    await pool.execute(
        """
        insert into funnelproof.touched_window
            (tenant_id, pipeline_id, window_name, window_start, window_end, touched_at)
        select tenant_id, pipeline_id, window_name, window_start, window_end, now() from funnelproof.window_run
        """
    )
    closed.write("a", None)
    await closed.flush()
    assert await closed.close(61) == Published(windows=1)
    assert await closed.facts() == [(1, 1, 0), (1, 0, 0)]
    assert await waiting(pool) == 0


@pytest.mark.usefixtures("closed")
async def test_a_reconciliation_waits_for_no_revision_that_is_held_back(pool: Pool, database: str) -> None:
    hollow = await desk_of(pool, "hollow")
    await hollow.close(61)
    assert await waiting(pool) == 1

    async def prove() -> None:
        pass

    source = await asyncpg.connect(database, server_settings={"timezone": "UTC"})
    result = await Comparison(Reader(source, timedelta(seconds=30)), pool, prove, ClosedScope()).run(
        timedelta(0)
    )
    await source.close()
    assert (result.outcome, len(result.differences)) == ("different", 1)  # the CRM has no row at all
