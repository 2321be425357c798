"""A program for its owner's lifetime: `python -m streams.supervising.tether worker` is `funnelproof worker`.

After `--` another program is named with its arguments. The owner holds the other end of standard input. The other end
closes when the owner ends in any way, also by `kill -9`. The program then gets a SIGTERM and stops in order. A program
that does not stop is killed with its process group. Pipes behave in this manner on Linux and on macOS.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from types import FrameType

OTHER = "--"
"""The argument before a program that is no command of funnelproof."""
PATIENCE = 20.0
"""Seconds from a request to end until the program is killed."""


def tie_to_owner(patience: float | None = None) -> None:
    """Have this process get a SIGTERM as soon as the owner has ended.

    Kill this process, and the process group that this process leads, `patience` seconds later; None: never.
    """
    threading.Thread(target=_watch_owner, args=(patience,), daemon=True).start()


def _watch_owner(patience: float | None) -> None:
    # A signal that this thread took would not wake the main thread, which has the handlers.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    os.read(sys.stdin.fileno(), 1)  # the owner never writes, so the read returns at the end of file
    own = os.getpid()
    os.kill(own, signal.SIGTERM)
    if patience is not None:
        time.sleep(patience)
        if os.getpgrp() == own:
            os.killpg(own, signal.SIGKILL)
        os.kill(own, signal.SIGKILL)


def _run(command: list[str]) -> int:
    """Run another program; return the program's exit status."""
    running: list[subprocess.Popen[bytes]] = []

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        if not running:
            sys.exit(128 + number)
        running[0].terminate()

    signal.signal(signal.SIGTERM, end)  # before the program, which might be ready at once
    running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))  # noqa: S603 - the owner's own command
    return running[0].wait()


if __name__ == "__main__":
    tie_to_owner(PATIENCE)
    if sys.argv[1] == OTHER:
        sys.exit(_run(sys.argv[2:]))
    sys.argv = ["funnelproof", *sys.argv[1:]]
    runpy.run_module("streams", run_name="__main__")
