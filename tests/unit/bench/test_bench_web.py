from datetime import UTC, datetime, timedelta
from uuid import uuid4

from bench.web.pixels import delays_of
from bench.web.shown import Count, Counted, differing, funnel_cells, pipeline_cells, run_cells

START, HOUR = datetime(2026, 6, 10, 10, tzinfo=UTC), timedelta(hours=1)
PAIR, NEXT = (uuid4(), uuid4()), (uuid4(), uuid4())


def window(ago: int, *counts: Count, closed: bool = True) -> Counted:
    start = START - ago * HOUR
    pairs = dict(zip((PAIR, NEXT), counts, strict=True))
    return Counted(start, start + HOUR, pairs, uuid4() if closed else None)


def test_a_wrong_cell_is_found_whichever_side_it_differs_from() -> None:
    shown, wrong = {"0 Entered": "12"}, {"0 Entered": "13"}
    assert differing(shown, shown, shown) == []
    assert differing(shown, wrong, shown) == ["0 Entered: shown '12', expected '13' and '12'"]
    assert len(differing(shown, shown, wrong)) == 1


def test_a_cell_that_is_not_shown_is_a_difference_and_so_is_a_cell_too_many() -> None:
    assert len(differing({}, {"0 Entered": "12"})) == 1
    assert len(differing({"0 Entered": "12", "1 Entered": "1"}, {"0 Entered": "12"})) == 1


def test_a_closed_window_is_compared_with_the_window_before() -> None:
    now, before = (
        window(1, Count(1200, 300), Count(300, 0)),
        window(2, Count(1000, 298), Count(0, 0)),
    )
    cells = funnel_cells(now, before, [now, before])
    assert cells["0 Entered"] == "1,200"
    assert cells["0 Rate"] == "25.0 %"
    assert cells["0 Before"] == "29.8 % of 1,000"
    assert cells["0 Change"] == "\N{MINUS SIGN}4.8"
    assert cells["1 Of first stage"] == "0.0 %"
    assert (cells["1 Before"], cells["1 Change"]) == ("\N{EN DASH} of 0", "\N{EN DASH}")
    assert cells["trend 1 Converted"] == "298"


def test_an_open_window_has_no_change_and_one_window_makes_no_trend() -> None:
    now, before = window(0, Count(3, 1), Count(1, 1), closed=False), window(1, Count(4, 1), Count(1, 0))
    assert funnel_cells(now, before, [now, before])["0 Change"] == "not over"
    alone = funnel_cells(now, None, [now])
    assert (alone["0 Before"], alone["0 Change"]) == ("\N{EN DASH}", "\N{EN DASH}")
    assert not [name for name in alone if name.startswith("trend")]


def test_runs_and_pipelines_have_cells_of_their_own() -> None:
    assert run_cells(window(1, Count(2, 1), Count(1, 0)))["1 Converted"] == "0"
    assert pipeline_cells([(PAIR[0], 4)]) == {f"pipeline {PAIR[0]}": "4"}


def test_a_delay_ends_with_the_first_number_that_holds_the_entry() -> None:
    assert delays_of({1: 10.0, 2: 11.0, 3: 12.0}, [(1, 10.5), (3, 12.25)]) == [0.5, 1.25, 0.25]
