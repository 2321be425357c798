"""Ctrl-C in the demo: the first while the CRM writes ends the writing, any other ends everything, once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handles the signals that ask a program to end, inside a `with` block of the main thread.

    After the one that ends everything they are ignored: the cleaning up that it causes must not be interrupted.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Take the signals over."""
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """Ignore them from now on."""
        for number in _SIGNALS:
            signal.signal(number, _stay)

    def cancel_current_task(self) -> None:
        """From now on cancel the running task rather than raise KeyboardInterrupt wherever the program is."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    @contextmanager
    def setting(self, stop: asyncio.Event) -> Iterator[None]:
        """Let the first Ctrl-C set `stop`, and nothing else, inside the block."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._loop and self._stop and number == signal.SIGINT:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._stop = None
            return
        self.ignore()
        if self._loop is None or self._task is None:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._task.cancel)


def _stay(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN it is not inherited by processes started meanwhile, which would not end then."""
