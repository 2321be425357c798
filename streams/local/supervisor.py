"""Keeps an embedded stack up for its owner's lifetime: `python -m streams.local.supervisor FOLDER SERVER...`.

The owner holds the other end of standard input. When that closes, because the owner wants the stack stopped or
has died in whatever way, the servers that were started here are stopped. Pipes do this on Linux and macOS alike.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from streams.errors import FunnelproofError
from streams.local.server import Server
from streams.local.stack import LocalStack


class _OwnerGone(BaseException):
    """The owner has left: nothing but stopping matters, also in the middle of a start."""


def supervise(stack: LocalStack) -> None:
    """Bring the stack up, say so in one line of JSON, wait for the owner to leave, stop what was started."""
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_watch_owner, daemon=True).start()
    started: list[Server] = []
    try:
        started = stack.up()
        _answer({"environment": dict(stack.environment())})
        threading.Event().wait()
    except FunnelproofError as error:
        _answer({"error": str(error)})
    except (_OwnerGone, BrokenPipeError):
        pass
    finally:
        stack.down(started)


def _watch_owner() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: this returns at the end of file
    os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    signal.signal(signal.SIGTERM, _stay)  # once is enough, and stopping must not be interrupted
    raise _OwnerGone


def _stay(number: int, frame: FrameType | None) -> None:
    """Do nothing. Unlike SIG_IGN it is not inherited by servers started meanwhile, which could not be stopped then."""


def _answer(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the owner reads it


if __name__ == "__main__":
    supervise(LocalStack(Path(sys.argv[1]), only=sys.argv[2:]))
