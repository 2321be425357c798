"""Which lines of the libraries reach a worker's log."""

import logging
from typing import Literal

import pytest

from streams.logs import HELD_SECONDS, OneAMinute, configure_logging


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, None)


def test_one_line_a_minute_passes_and_says_how_many_were_held_back() -> None:
    clock = Clock()
    held = OneAMinute(clock)
    assert held.filter(record("aiokafka.client", "no node %s", 1))
    for _ in range(3):
        assert not held.filter(record("aiokafka.consumer", "no node"))
    clock.now += HELD_SECONDS
    line = record("aiokafka.client", "no node %s", 1)
    assert held.filter(line)
    assert line.getMessage() == "no node 1 (3 lines were held back before)"
    clock.now += HELD_SECONDS
    line = record("aiokafka.client", "no node %s", 1)
    assert held.filter(line)
    assert line.getMessage() == "no node 1"


def test_the_lines_of_others_all_pass() -> None:
    held = OneAMinute(Clock())
    assert all(held.filter(record("streams.worker", "flushed")) for _ in range(3))


def test_a_reason_is_not_repeated_for_each_part_of_a_worker_that_stops() -> None:
    assert not OneAMinute(Clock()).filter(
        record("streams.app", "[^-WorkerApp]: Crashed reason=%r", ValueError())
    )


def test_a_part_that_has_ended_already_is_no_error_of_a_stop() -> None:
    text = "[^--Consumer]: Error while stopping child %r: %r"
    for why, passes in (("Event loop is closed", False), ("another reason", True)):
        line = record("streams.app", text, "<ReadingThread: crashed >", RuntimeError(why))
        assert OneAMinute(Clock()).filter(line) is passes


@pytest.mark.usefixtures("restored_logging")
def test_the_libraries_inner_lines_come_at_the_level_debug_alone() -> None:
    configure_logging("json", "info")
    for name, least in {
        "faust.app": logging.ERROR,
        "mode.x": logging.CRITICAL,
        "aiokafka.x": logging.ERROR,
    }.items():
        assert not logging.getLogger(name).isEnabledFor(least - 1)
        assert logging.getLogger(name).isEnabledFor(least)
    configure_logging("json", "debug")
    for name in ("faust.app", "mode.x", "aiokafka.x"):
        assert logging.getLogger(name).isEnabledFor(logging.DEBUG)


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variable(
    form: Literal["console", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(form, "debug")
    password = "hidden" + str(len(form))  # its text is nowhere in the source
    try:
        int(f"no answer to {password[:6]}")
    except ValueError:
        logging.getLogger("asyncpg.pool").exception("a pool lost its connection")
    shown = capsys.readouterr().err
    assert "no answer to" in shown
    assert password not in shown
