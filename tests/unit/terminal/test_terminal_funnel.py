"""The funnel and the closed windows, drawn for terminals of every width."""

import io

import pytest
from rich.console import Console, RenderableType

from streams.terminal.funnel import Closed, Step, closed, funnel
from streams.terminal.shapes import printable

STEPS = [
    Step("Lead", "Qualified", 1_234_567, 617_283, 0.5, before=0.449, expected="44.9 %, 32 to 57"),
    Step("Qualified", "Won", 120, 0, None),
]
WINDOWS = [
    Closed("Tue 9 Jun 2026", 1_234_567, 310, 2.0, "proven", 2, "an entry was moved in time"),
    Closed("Mon 8 Jun 2026", 702, 310, 90_000.0, "estimated", 1),
]


def drawn(shown: RenderableType, width: int) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=width).print(shown)
    return [line.replace("\N{NO-BREAK SPACE}", " ").rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_numbers_are_whole_at_every_width(width: int) -> None:
    head, first, second = drawn(funnel(STEPS, width), width)
    assert head.split()[:3] == ["entered", "converted", "rate"]
    assert first.startswith("Lead → Qualified  1,234,567")
    assert [word for word in first.split() if word[0].isdigit()][:3] == ["1,234,567", "617,283", "50.0"]
    assert second.split()[:4] == ["Qualified", "→", "Won", "120"]
    assert max(map(len, (head, first, second))) <= width


def test_a_wide_terminal_shows_more_than_a_narrow_terminal() -> None:
    columns = [drawn(funnel(STEPS, width), width)[0].split()[3:] for width in (56, 80, 120)]
    assert columns == [[], ["expected"], ["before", "expected"]]
    bars = ["█" in "".join(drawn(funnel(STEPS, width), width)) for width in (50, 80, 120)]
    assert bars == [False, True, True]


def test_a_bar_is_as_long_as_the_share_of_the_greatest_stage() -> None:
    steps = [Step("a", "b", 100, 50, 0.5), Step("b", "c", 50, 0, 0.0)]
    _, first, second = drawn(funnel(steps, 100), 100)
    assert (first.count("█"), second.count("█")) == (36, 18)


def test_closed_windows_tell_proof_and_revision_at_every_width_and_causes_where_there_is_room() -> None:
    narrow, wide = (drawn(closed(WINDOWS, width), width) for width in (60, 100))
    for lines in (narrow, wide):
        assert [line.split()[-2:] for line in lines[2:]] == [["estimated", "1"]]
        assert "1,234,567" in lines[1]
    assert "proven       2  an entry was moved in time" in wide[1]
    assert "25 h" in wide[2]
    assert "because" not in narrow[0]


def test_names_of_the_crm_are_drawn_as_they_are_and_command_no_terminal() -> None:
    steps = [Step("[red]Lead[/red]", "\x1b[2Jx", 1, 0, 0.0)]
    assert drawn(funnel(steps, 80), 80)[1].startswith("[red]Lead[/red] → \\x1b[2Jx")
    assert printable("5\N{NO-BREAK SPACE}%\n") == "5\N{NO-BREAK SPACE}%\\n"
