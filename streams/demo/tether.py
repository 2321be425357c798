"""A program for its owner's lifetime: `python -m streams.demo.tether worker` is `funnelproof worker`.

After `--` another program is named with its arguments. The owner holds the other end of standard input. The other end
closes when the owner ends in any way. The program then gets a SIGTERM and stops in order.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading


def _watch_owner() -> None:
    os.read(sys.stdin.fileno(), 1)  # the owner never writes, so the read returns at the end of file
    os.kill(os.getpid(), signal.SIGTERM)


def _run(command: list[str]) -> int:
    """Run another program; return the program's exit status."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as program:  # noqa: S603 - the demo's own command
        signal.signal(signal.SIGTERM, lambda *_: program.terminate())
        return program.wait()


if __name__ == "__main__":
    other = sys.argv[1] == "--"
    threading.Thread(target=_watch_owner, daemon=True).start()
    if other:
        sys.exit(_run(sys.argv[2:]))
    sys.argv = ["funnelproof", *sys.argv[1:]]
    runpy.run_module("streams", run_name="__main__")
