"""Which lines of the libraries reach a worker's log."""

import logging

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


@pytest.fixture
def restored_logging() -> object:
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = kept[0], kept[1]
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("restored_logging")
def test_the_libraries_inner_lines_come_at_the_level_debug_alone() -> None:
    configure_logging("json", "info")
    for name in ("faust.app", "mode.services", "aiokafka.client"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
        assert logging.getLogger(name).isEnabledFor(logging.ERROR)
    configure_logging("json", "debug")
    for name in ("faust.app", "mode.services", "aiokafka.client"):
        assert logging.getLogger(name).isEnabledFor(logging.DEBUG)
