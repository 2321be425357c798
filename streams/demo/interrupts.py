"""Ctrl-C in the demo: the first Ctrl-C ends the writing of the CRM, the next ends the demo.

Outside of the writing, the first Ctrl-C ends the demo.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Handles the signals that ask a program to end, inside a `with` block of the main thread.

    After the signal that ends the demo, further signals are ignored: the cleaning up must not be interrupted.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[object] | None = None
        self._stop: asyncio.Event | None = None

    def __enter__(self) -> Self:
        """Install the handlers of the signals."""
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Install the former handlers again."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ignore(self) -> None:
        """Ignore the signals from now on."""
        for number in _SIGNALS:
            signal.signal(number, _stay)

    def cancel_current_task(self) -> None:
        """Let a signal cancel the present task from now on, instead of raising KeyboardInterrupt anywhere."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()

    @contextmanager
    def setting(self, stop: asyncio.Event) -> Iterator[None]:
        """Let the first Ctrl-C inside the block set `stop`, without ending the demo."""
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
    """Do nothing. SIG_IGN would be inherited by a process that starts meanwhile, and that process would not end."""
