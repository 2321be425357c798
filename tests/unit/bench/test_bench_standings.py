from dataclasses import replace

import pytest
from rich.console import Console

from bench.measures.latency import quantiles
from bench.race import Outcome
from bench.standings import as_json, best, legend, ratio, rows_table, table
from tests.fakes.outcomes import OURS

SLICE = replace(
    OURS, contender="faust", durable="no: never", events=50_000, cpu_seconds=13.5, cpu_before_first=1.0
)


def printed(*outcomes: Outcome) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(table(outcomes, 1_000_000))
    return capture.get()


def test_events_a_second_count_from_the_first_record() -> None:
    assert OURS.events_per_second == 200_000


def test_start_up_counts_once_however_small_the_work() -> None:
    assert OURS.cpu_per_million == pytest.approx(6.0)
    assert SLICE.cpu_per_million == pytest.approx(1 + 12.5 * 20)


def test_an_unfinished_run_is_scaled_by_what_it_reached_and_has_no_speed() -> None:
    unfinished = replace(OURS, exact=False, reached=0.25)
    assert unfinished.cpu_per_million == pytest.approx(1 + 5 * 4)
    assert unfinished.events_per_second is None


def test_a_run_without_a_first_record_has_neither_speed_nor_cost() -> None:
    dead = replace(OURS, exact=False, reached=0.0, seconds_from_first=None, cpu_before_first=None)
    assert (dead.events_per_second, dead.cpu_per_million, ratio(dead, OURS)) == (None, None, None)


def test_the_ratio_is_of_cpu_and_to_ours() -> None:
    assert ratio(SLICE, OURS) == pytest.approx(251 / 6)
    assert ratio(SLICE, None) is None


def test_of_several_runs_the_exact_one_with_the_least_cpu_is_shown() -> None:
    wrong = replace(OURS, exact=False, cpu_seconds=2.0)
    good = replace(OURS, cpu_seconds=5.5)
    assert best([wrong, OURS, good, SLICE]) == [good, SLICE]


def test_json_has_every_run_and_what_is_derived() -> None:
    ours, faust = as_json([OURS, replace(OURS, cpu_seconds=7.0), SLICE])
    assert ours["cpu_ratio"] == 1
    assert [run["cpu_seconds"] for run in ours["runs"]] == [6.0, 7.0]  # type: ignore[attr-defined]  # a list
    assert faust["cpu_per_million"] == pytest.approx(251)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (OURS, "yes"),
        (replace(OURS, exact=False, reached=0.42), "unfinished: 42%"),
        (replace(OURS, exact=False, differing_rows=1234), "no: 1,234 rows"),
        (replace(OURS, exact=False, reached=0.42, trouble="Traceback"), "ended early"),
    ],
)
def test_the_table_says_whether_the_result_is_right(outcome: Outcome, words: str) -> None:
    assert words in printed(outcome)


def test_the_legend_tells_each_contenders_mode_once() -> None:
    assert legend([OURS, OURS, SLICE]) == [
        "ours: as it is. Exact after kill -9: yes: fenced.",
        "faust: as it is. Exact after kill -9: no: never.",
    ]


def test_a_measures_rows_are_shown_with_their_keys_as_headings() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(rows_table("title", [{"load": "idle", "s": 1.25, "exact": True, "n": None}], "note"))
    shown = capture.get()
    assert all(word in shown for word in ("title", "load", "idle", "1.2", "yes", "-", "note"))


def test_quantiles_are_in_milliseconds() -> None:
    assert quantiles([number / 1000 for number in range(101)]) == {
        "p50 ms": 50,
        "p95 ms": 95,
        "p99 ms": 99,
        "max ms": 100,
    }
