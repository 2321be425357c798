"""Which tests coverage traces, and for how long: a tracer makes all Python in a process half as fast.

Traced are the quick tests that are no searches, and of a test with several cases the first. These tests reach nearly
every line. A long computation goes through the same lines again and again, so tracing ends after some CPU.
"""

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import walk_packages

import pytest
from coverage import Coverage

import streams

SECONDS = 0.3
"""CPU of a test's fixtures, and again of the test itself, for which a test is traced."""
_TRACED = pytest.StashKey[bool]()
_PAUSE = pytest.StashKey["_Pause"]()


class _Pause:
    """A tracer that rests or does not."""

    def __init__(self, tracer: Coverage) -> None:
        self._tracer = tracer
        self._resting = False

    def begin(self, *_: object) -> None:
        """Let the tracer rest; a handler of signals, too."""
        if not self._resting:
            self._resting = True
            self._tracer.stop()

    def end(self) -> None:
        """Let the tracer go on."""
        if self._resting:
            self._resting = False
            self._tracer.start()


def choose(items: Iterable[pytest.Item]) -> None:
    """Note of each test whether the test is traced."""
    known: set[str] = set()
    for item in items:
        name = item.nodeid.partition("[")[0]
        others = map(item.get_closest_marker, ("thorough", "hypothesis", "untraced"))
        item.stash[_TRACED] = name not in known and not any(others)
        known.add(name)


def is_traced(item: pytest.Item) -> bool:
    """Return true if the test is traced, in a run that measures coverage."""
    return item.stash[_TRACED]


@contextmanager
def traced(item: pytest.Item) -> Iterator[None]:
    """Trace the first seconds of the block where the test is traced, and nothing otherwise."""
    with _pause() as pause:
        if pause is None:
            yield
        elif not is_traced(item):
            pause.begin()
            yield
        else:
            item.stash[_PAUSE] = pause
            former = signal.signal(signal.SIGPROF, pause.begin)
            begin_anew(item)
            try:
                yield
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.signal(signal.SIGPROF, former)


def begin_anew(item: pytest.Item) -> None:
    """Trace the next seconds where the test is traced."""
    if pause := item.stash.get(_PAUSE, None):
        pause.end()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)


@contextmanager
def resting() -> Iterator[None]:
    """Trace nothing in the block."""
    with _pause() as pause:
        if pause is not None:
            pause.begin()
        yield


@contextmanager
def _pause() -> Iterator[_Pause | None]:
    """Have a pause of the present tracer, which ends with the block; None in a run that does not measure coverage."""
    tracer = Coverage.current()
    pause = None if tracer is None else _Pause(tracer)
    try:
        yield pause
    finally:
        if pause is not None:
            pause.end()


def leave_one_tracer() -> None:
    """End the tracers that run before the session, after they have seen the program's imports.

    coverage traces a worker process from its beginning, and pytest-cov brings two tracers more. When the last tracer
    rests, the tracer before goes on.
    """
    if Coverage.current() is None:
        return
    for module in walk_packages(streams.__path__, "streams."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    while (tracer := Coverage.current()) is not None:
        tracer.stop()
        tracer.save()
