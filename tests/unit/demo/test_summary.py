import io
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib import import_module

import pytest
from rich.console import Console

from streams.demo.options import DemoOptions
from streams.demo.summary import DemoResult, print_summary

EQUAL = DemoResult(
    windows_closed=5,
    runs=47,
    revisions=17,
    mismatches=0,
    undecided=0,
    runs_compared=30,
    pairs_compared=110,
    writes=4500,
    events=4506,
    seconds=63.5,
    setup_seconds=15.6,
    writing_seconds=45.0,
    publish_seconds={"median": 0.2, "slowest": 0.8},
    estimated=0,
    dead_letters=0,
    seed=1,
    rate=100.0,
    writes_by_kind={"enter": 2500, "exit": 1994, "deal_merged": 6},
    rolled_back=82,
    revision_causes={"deal_merged": 17},
)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (EQUAL, 0),
        (replace(EQUAL, mismatches=1), 1),
        (replace(EQUAL, mismatches=1, undecided=3), 1),
        (replace(EQUAL, undecided=3), 2),
        (replace(EQUAL, windows_closed=0), 2),
        (replace(EQUAL, reason="nothing can be compared"), 2),
    ],
)
def test_only_equal_counts_of_at_least_one_window_are_good_news(result: DemoResult, status: int) -> None:
    assert result.exit_status == status


def test_the_summary_fits_one_screen_and_ends_with_the_verdict() -> None:
    screen = io.StringIO()
    print_summary(EQUAL, Console(file=screen, width=100))
    lines = screen.getvalue().splitlines()
    assert len(lines) <= 24
    assert lines[-1] == "every closed window equals the canonical SQL"
    assert any("17: 17 deal merged" in line for line in lines)


@pytest.mark.parametrize("result", [EQUAL, replace(EQUAL, mismatches=1)], ids=["equal", "different"])
def test_the_json_of_a_demo_has_every_count_and_the_options(
    result: DemoResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(options: DemoOptions, console: Console, show: Callable[[DemoResult], None]) -> DemoResult:
        assert (console.is_terminal, options.stay, options.live) == (False, False, False)
        chosen = replace(result, seed=options.seed, rate=options.rate, writing_seconds=options.duration or 0)
        show(chosen)
        return chosen

    monkeypatch.setattr("streams.demo.story.run_demo", told)
    monkeypatch.setattr("streams.cli.demo.configure_logging", lambda *_: None)
    words = ["demo", "--duration", "45", "--rate", "70", "--seed", "3", "--json"]
    monkeypatch.setattr(sys, "argv", ["funnelproof", *words])
    with pytest.raises(SystemExit) as ended:
        import_module("streams.cli.main").main()
    assert ended.value.code == result.exit_status
    expected = asdict(replace(result, seed=3, rate=70.0, writing_seconds=45.0))
    assert json.loads(capsys.readouterr().out) == expected
