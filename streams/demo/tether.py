"""`funnelproof worker` for its owner's lifetime: `python -m streams.demo.tether`.

The owner holds the other end of standard input. The other end closes when the owner ends in any way. The worker
then gets a SIGTERM and stops in order.
"""

import os
import runpy
import signal
import sys
import threading


def _watch_owner() -> None:
    os.read(sys.stdin.fileno(), 1)  # the owner never writes, so the read returns at the end of file
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_watch_owner, daemon=True).start()
    sys.argv = ["funnelproof", "worker"]
    runpy.run_module("streams", run_name="__main__")
