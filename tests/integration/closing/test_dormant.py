"""Pipelines without entries get zero rows; where the settings say so, only until they have been idle for a while.

Windows of a minute, dormant after two: a pipeline has rows of a window where it has an entry in it or the one before.

second      0        60       120       180       240       300       360
windows     |    1    |    2    |    3    |    4    |    5    |    6    |
entry         x                              x
rows             yes       yes       no        yes       yes       no
"""

from datetime import timedelta

import pytest

from streams.domain.windows import Window, to_microseconds
from streams.publish.closing import Closing, Published
from streams.publish.historic import HistoricClosing
from streams.store.database import Pool
from tests.integration.closing.conftest import IDLE, KINDS, SALES, START, Desk, entry


def window(number: int) -> Window:
    return KINDS[0].window_at(to_microseconds(START + timedelta(minutes=number - 1)))


@pytest.fixture
def sleepy(desk: Desk, pool: Pool) -> Desk:
    """A desk where pipelines are dormant after two minutes."""
    dormant_after = timedelta(minutes=2)
    desk.closing = Closing(pool, desk.epoch, timedelta(0), "worker", dormant_after=dormant_after)
    desk.historic = HistoricClosing(pool, desk.epoch, dormant_after)
    return desk


async def test_a_pipeline_has_zero_rows_until_it_was_idle_for_as_long_as_the_settings_say(
    sleepy: Desk,
) -> None:
    sleepy.write("a", entry(0, 1))
    sleepy.write("b", entry(0, 181), deal="later")
    await sleepy.flush()
    runs = [(await sleepy.close(60 * number)).closed_runs for number in range(1, 7)]
    assert runs == [1, 1, 0, 1, 1, 0]
    assert await sleepy.facts(window(2)) == [(1, 0, 0), (1, 0, 0)]
    assert await sleepy.facts(window(3)) == []


async def test_windows_that_close_together_after_a_pause_have_the_rows_they_would_have_had(
    sleepy: Desk,
) -> None:
    sleepy.write("a", entry(0, 1))
    sleepy.write("b", entry(0, 181), deal="later")
    await sleepy.flush()
    await sleepy.close(360)
    assert [number for number in range(1, 7) if await sleepy.facts(window(number))] == [1, 2, 4, 5]


async def test_a_pipeline_that_never_had_an_entry_is_dormant_a_while_after_the_installation(
    sleepy: Desk,
) -> None:
    runs = [(await sleepy.close(60 * number, scopes=(IDLE,))).closed_runs for number in range(1, 4)]
    assert runs == [1, 1, 0]


async def test_a_historic_window_has_runs_of_pipelines_with_entries_only(sleepy: Desk) -> None:
    sleepy.write("a", entry(0, -30))
    await sleepy.flush()
    published = await sleepy.historic.publish(sleepy.proof(1, scopes=(SALES, IDLE)), [window(0)])
    assert (published.windows, published.closed_runs) == (1, 1)
    assert await sleepy.facts(window(0)) == [(1, 1, 0), (1, 0, 0)]


async def test_without_the_setting_every_pipeline_has_zero_rows_of_every_window(desk: Desk) -> None:
    runs = [(await desk.close(60 * number, scopes=(SALES, IDLE))).closed_runs for number in range(1, 5)]
    assert runs == [2, 2, 2, 2]


async def test_a_late_entry_in_a_window_without_a_run_makes_revision_1_that_names_its_cause(
    sleepy: Desk, pool: Pool
) -> None:
    await sleepy.close(240)
    assert await sleepy.facts(window(4)) == []
    sleepy.write("a", entry(0, 181))
    sleepy.write("b", entry(1, 182))
    await sleepy.flush()
    assert await sleepy.close(241) == Published(closed_runs=1)
    assert await sleepy.facts(window(4)) == [(1, 1, 1), (1, 1, 0)]
    run = await pool.fetchrow(
        "select causes, lowest_lsn - '0/0'::pg_lsn, highest_lsn - '0/0'::pg_lsn, parameters -> 'causes'"
        "from funnelproof.window_run inner join dyno_crm.report_run on run_id = id where window_start = $1",
        START + timedelta(minutes=3),
    )
    assert run is not None
    assert tuple(run) == (["late_insert"], sleepy.lsn - 2, sleepy.lsn - 1, '["late_insert"]')
    sleepy.write("c", entry(1, 183), deal="another")
    await sleepy.flush()
    assert await sleepy.close(242) == Published(revised_runs=1)
    assert await sleepy.facts(window(4)) == [(2, 1, 1), (2, 2, 0)]


async def test_a_late_entry_wakes_a_pipeline(sleepy: Desk) -> None:
    await sleepy.close(240)
    sleepy.write("a", entry(0, 181))
    await sleepy.flush()
    await sleepy.close(241)
    assert await sleepy.close(300) == Published(windows=1, closed_runs=1)
    assert await sleepy.close(360) == Published(windows=1)


async def test_a_late_entry_that_is_taken_back_at_once_makes_no_run(sleepy: Desk, pool: Pool) -> None:
    await sleepy.close(240)
    sleepy.write("a", entry(0, 181))
    await sleepy.flush()
    sleepy.write("a", None)
    await sleepy.flush()
    assert await sleepy.close(241) == Published()
    assert await pool.fetchval("select count(*) from funnelproof.touched_window") == 0


async def test_an_entry_into_the_last_stage_is_an_entry(sleepy: Desk) -> None:
    sleepy.write("a", entry(2, 181))
    await sleepy.flush()
    await sleepy.close(240)
    assert await sleepy.facts(window(4)) == [(1, 0, 0), (1, 0, 0)]


async def test_a_pipeline_whose_runs_were_deleted_gets_them_anew_when_its_counts_change(
    desk: Desk, pool: Pool
) -> None:
    desk.write("a", entry(0, 1))
    await desk.flush()
    await desk.close(60)
    await pool.execute("delete from dyno_crm.report_run")
    desk.write("a", None)
    await desk.flush()
    assert await desk.close(61) == Published()
    desk.write("a", entry(0, 1))
    desk.write("b", entry(1, 2))
    await desk.flush()
    assert await desk.close(61) == Published(closed_runs=1)
    assert await desk.facts() == [(1, 1, 1), (1, 1, 0)]
