"""Servers of one group of tests end with the last test that uses them.

A fixture of the session would end with the run, and an idle Kafka takes a fortieth of a core.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

import pytest

_Server = TypeVar("_Server")
_KEY = pytest.StashKey["LastUse"]()


class LastUse:
    """Counts the tests that are still to come, for each fixture."""

    def __init__(self, items: Iterable[pytest.Item]) -> None:
        self._coming = Counter(name for item in items for name in getattr(item, "fixturenames", ()))
        self._running: dict[str, ExitStack] = {}

    @contextmanager
    def keep(self, fixture: str, server: AbstractContextManager[_Server]) -> Iterator[_Server]:
        """Have the server until the last test that uses the fixture, at most until the end of the block."""
        with ExitStack() as running:
            self._running[fixture] = running
            yield running.enter_context(server)

    def passed(self, item: pytest.Item) -> None:
        """Note that a test is over; stop the servers that no test uses any more, the last started first."""
        self._coming.subtract(getattr(item, "fixturenames", ()))
        for name in reversed(list(self._running)):
            if not self._coming[name]:
                self._running.pop(name).close()


def begin(session: pytest.Session) -> None:
    """Count the tests of a session, after all were collected and chosen."""
    session.config.stash[_KEY] = LastUse(session.items)


def of(config: pytest.Config) -> LastUse:
    """Return the counts of the session."""
    return config.stash[_KEY]
