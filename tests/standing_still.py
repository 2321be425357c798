"""Processes that stand still (SIGSTOP), as a debugger or a paused machine leaves a process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


def stop(pid: int) -> None:
    """Have a process stand still from now on. The process stands still when the call returns."""
    process = psutil.Process(pid)
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.0002)


def go_on(pid: int) -> None:
    """Let a process go on (SIGCONT)."""
    psutil.Process(pid).resume()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process stand still for as long as the block lasts."""
    stop(pid)
    try:
        yield
    finally:
        go_on(pid)
