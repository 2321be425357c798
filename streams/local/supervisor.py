"""Keeps an embedded stack up for its owner's lifetime: `python -m streams.local.supervisor FOLDER SERVER...`.

The owner holds the other end of standard input. The other end closes when the owner wants the stack stopped, and
also when the owner dies in any way. The supervisor then stops the servers of its own start. Pipes behave in this
manner on Linux and on macOS.
"""

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from streams.errors import FunnelproofError
from streams.local.server import Server
from streams.local.stack import LocalStack
from streams.supervising.tether import tie_to_owner


class _OwnerGone(BaseException):
    """The owner has left: the supervisor stops the servers, even in the middle of a start."""


def supervise(stack: LocalStack) -> None:
    """Bring the stack up, print the answer as a line of JSON, wait for the owner's end, stop the started servers."""
    signal.signal(signal.SIGTERM, _leave)
    tie_to_owner()
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


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    signal.signal(signal.SIGTERM, _stay)  # a second signal must not interrupt the stopping
    raise _OwnerGone


def _stay(number: int, frame: FrameType | None) -> None:
    """Do nothing. SIG_IGN would be inherited by a server that starts meanwhile, and nobody could stop that server."""


def _answer(message: dict[str, object]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the owner reads it


if __name__ == "__main__":
    supervise(LocalStack(Path(sys.argv[1]), only=sys.argv[2:]))
