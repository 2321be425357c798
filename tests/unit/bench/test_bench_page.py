from bench.page import PAGE, filled
from bench.run import MEASURES
from bench.standings import as_json
from tests.fakes.outcomes import OURS

RESULTS = {
    "machine": {
        "cores": 2,
        "processor": "Z80",
        "memory_gib": 24,
        "system": "CP/M",
        "python": "3.11",
        "load_before": 0.1,
    },
    "options": {"repeat": 3},
    "contenders": as_json([OURS]),
    "measures": {"kinds": {"title": "", "note": "", "rows": [{"window kinds": "day", "CPU s": 6.25}]}},
}


def test_figures_are_put_between_their_marks_and_nowhere_else() -> None:
    page = "before\n<!-- figures: kinds -->\nold\n<!-- end -->\nafter\n<!-- figures: source -->\nkept\n<!-- end -->\n"
    assert filled(page, RESULTS) == (
        "before\n<!-- figures: kinds -->\n| window kinds | CPU s |\n|---|--:|\n| day | 6.2 |\n<!-- end -->\n"
        "after\n<!-- figures: source -->\nkept\n<!-- end -->\n"
    )


def test_figures_put_in_twice_are_there_once() -> None:
    once = filled(PAGE.read_text("utf-8"), RESULTS)
    assert filled(once, RESULTS) == once


def test_the_page_has_a_place_for_everything_that_is_measured() -> None:
    page = PAGE.read_text("utf-8")
    for name in ("machine", "page-machine", "contenders", "modes", *MEASURES):
        assert f"<!-- figures: {name} -->" in page


def test_measures_of_the_page_have_a_machine_of_their_own() -> None:
    page = "<!-- figures: machine -->\nkept\n<!-- end -->\n<!-- figures: page-machine -->\n<!-- end -->\n"
    measured = {"page-stops": {"rows": [{"stop": "Kafka paused"}]}}
    filled_in = filled(page, RESULTS | {"contenders": [], "measures": measured})
    assert "kept" in filled_in
    assert "2 cores (Z80, shared), 24 GiB, CP/M, Python 3.11; load 0.1 before the run.\n" in filled_in


def test_the_contenders_table_names_cost_and_verdict() -> None:
    shown = filled("<!-- figures: contenders -->\n<!-- end -->", RESULTS)
    assert "| ours | 1,000,000 | 200,000 | 6.0 | 1.0 | 1.0 | 400 | yes | yes |" in shown
