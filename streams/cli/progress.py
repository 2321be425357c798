"""The present step of a command, told on stderr while the command works."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from streams.cli.output import stderr

EVERY = 10.0
"""Seconds after which a step that goes on is told again where no terminal is."""

T = TypeVar("T")


class Tell(Protocol):
    """Takes what a command is doing: a step, how much of the step is done, a rate beside the numbers, and a note."""

    def __call__(
        self, step: str = "", *, done: int = 0, total: int | None = None, rate: str = "", note: str = ""
    ) -> None:
        """Take what the command is doing. An empty step is the former step, which goes on."""


@contextmanager
def telling(step: str, console: Console = stderr, every: float = EVERY) -> Iterator[Tell]:
    """Tell that a command works: a spinner or a bar on a terminal; else a line for each news and every ten seconds.

    A new step or note is news, the first step is not: a command of less than ten seconds says nothing without a
    terminal.
    """
    with _spinner(step, console) if console.is_terminal else _lines(step, console, every) as tell:
        yield tell


def run_telling(step: str, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end, and tell meanwhile that the command works. Raises the errors of `work`."""
    with telling(step):
        return asyncio.run(work)


@contextmanager
def _spinner(step: str, console: Console) -> Iterator[Tell]:
    told = ""
    # Nothing is redirected: a command's stdout may be a file while stderr is the terminal.
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        _Bar(),
        _Rest(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        shown = progress.add_task(step, total=None, rate="", note="")

        def tell(
            step: str = "", *, done: int = 0, total: int | None = None, rate: str = "", note: str = ""
        ) -> None:
            nonlocal told
            if step and step != told:
                if told:
                    progress.console.print(f"{told}: done", markup=False, highlight=False)
                progress.reset(shown, description=step, total=total)
                told = step
            progress.update(shown, total=total, completed=done, rate=rate, note=note)

        yield tell


@contextmanager
def _lines(step: str, console: Console, every: float) -> Iterator[Tell]:
    lines, ended = _Lines(step, console, every), threading.Event()
    repeating = threading.Thread(target=lines.repeat_until, args=(ended,), daemon=True)
    repeating.start()
    try:
        yield lines.tell
    finally:
        ended.set()
        repeating.join()


class _Lines:
    """Lines for a log or a pipe, said by two threads: news at once, and the present step again and again."""

    def __init__(self, step: str, console: Console, every: float) -> None:
        self._step = step
        self._note = ""
        self._numbers = ""
        self._console = console
        self._every = every
        self._began = self._said_at = time.monotonic()
        self._lock = threading.Lock()

    def tell(
        self, step: str = "", *, done: int = 0, total: int | None = None, rate: str = "", note: str = ""
    ) -> None:
        with self._lock:
            is_news = (step or self._step, note) != (self._step, self._note)
            self._step, self._note, self._numbers = step or self._step, note, numbers(done, total, rate)
            if is_news:
                self._say()

    def repeat_until(self, ended: threading.Event) -> None:
        while not ended.wait(max(0.0, self._said_at + self._every - time.monotonic())):
            with self._lock:
                if time.monotonic() - self._said_at >= self._every:
                    self._say(f" ({time.monotonic() - self._began:.0f} s)")

    def _say(self, age: str = "") -> None:
        self._said_at = time.monotonic()
        line = ": ".join(filter(None, (self._step, self._numbers, self._note)))
        self._console.print(f"{line}{age}", markup=False, highlight=False, soft_wrap=True)


def numbers(done: int, total: int | None, rate: str) -> str:
    """Return how much is done, as `1,200 of 4,800, 310/s`; nothing while the total is unknown."""
    return "" if total is None else ", ".join(filter(None, (f"{done:,} of {total:,}", rate)))


class _Bar(BarColumn):
    """A bar, once the total is known."""

    def render(self, task: Task) -> Any:  # noqa: ANN401 - a renderable of two kinds
        return Text("") if task.total is None else super().render(task)


class _Rest(ProgressColumn):
    """Numbers, note, and the time so far or the time left."""

    def render(self, task: Task) -> Text:
        total = None if task.total is None else int(task.total)
        left = task.time_remaining if total else None
        clock = f"{task.elapsed or 0:.0f} s" if left is None else f"{left:.0f} s left"
        parts = (numbers(int(task.completed), total, task.fields["rate"]), task.fields["note"], clock)
        return Text("  ".join(filter(None, parts)))
