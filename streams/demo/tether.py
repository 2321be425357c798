"""`funnelproof worker` for its owner's lifetime: `python -m streams.demo.tether`.

The owner holds the other end of standard input. When that closes, in whatever way the owner ended, the worker
gets the SIGTERM that stops it in order.
"""

import os
import runpy
import signal
import sys
import threading


def _watch_owner() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written: this returns at the end of file
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_watch_owner, daemon=True).start()
    sys.argv = ["funnelproof", "worker"]
    runpy.run_module("streams", run_name="__main__")
