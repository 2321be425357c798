"""What a person sees of a command that works for a while: on a terminal, and in a log."""

import io
import re
import threading
import time

import pytest
from rich.console import Console
from rich.progress import Progress

from streams.cli.progress import telling


def written(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=100)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def waited(console: Console, words: str) -> str:
    """Wait until these words are written; return everything written."""
    deadline = time.monotonic() + 10
    while words not in text_of(console):
        assert time.monotonic() < deadline, text_of(console)
        time.sleep(0.01)
    return text_of(console)


def test_a_short_command_says_nothing_without_a_terminal() -> None:
    console = written(is_terminal=False)
    with telling("runs the report", console) as tell:
        tell(done=1, total=2)
    assert text_of(console) == ""


def test_without_a_terminal_a_long_step_is_told_again_and_again_with_its_numbers() -> None:
    console = written(is_terminal=False)
    with telling("closes windows", console, every=0.05) as tell:
        waited(console, "closes windows (0 s)\n")
        tell(done=1_200, total=4_800, rate="310/s")
        waited(console, "closes windows: 1,200 of 4,800, 310/s (0 s)\n")


def test_without_a_terminal_a_new_step_and_a_new_note_are_told_at_once() -> None:
    console = written(is_terminal=False)
    with telling("begins anew", console) as tell:
        tell("count", done=1, total=9)
        tell("count", done=2, total=9)
        tell("count", done=3, total=9, note="no worker lives")
        tell("prove")
    assert text_of(console).splitlines() == ["count: 1 of 9", "count: 3 of 9: no worker lives", "prove"]


def test_on_a_terminal_the_step_is_shown_at_once_with_bar_and_numbers_and_nothing_stays() -> None:
    console = written(is_terminal=True)
    with telling("compares runs", console) as tell:
        waited(console, "compares runs")
        tell(done=30, total=40, rate="120/s")
        shown = waited(console, "30 of 40, 120/s")
    assert "━" in shown
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().endswith("\x1b[2K")  # the line is erased


def test_on_a_terminal_a_step_that_has_ended_stays_as_a_line() -> None:
    console = written(is_terminal=True)
    with telling("begins anew", console) as tell:
        tell("delete the former log")
        tell("make the new log", note="made topic")
        waited(console, "made topic")
    assert "delete the former log: done" in text_of(console)
    assert text_of(console).count(": done") == 1  # the first step is no news


@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_error_passes_and_no_thread_is_left(*, is_terminal: bool) -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="so"), telling("works", written(is_terminal=is_terminal)):
        raise ValueError("so")
    deadline = time.monotonic() + 10
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_markup_in_a_step_is_shown_as_it_is() -> None:
    console = written(is_terminal=True)
    with telling("reads [bold]letters[/bold]", console):
        waited(console, "reads [bold]letters[/bold]")


def test_a_download_within_a_command_s_progress_is_shown_too() -> None:
    console = written(is_terminal=True)
    with telling("starts the servers", console), Progress(console=console) as download:
        download.add_task("68 jars for Kafka", total=10)
        waited(console, "68 jars for Kafka")
        waited(console, "starts the servers")
