"""A killed server is gone when its last thread is: before that it still has its ports."""

import sys
import time
from pathlib import Path

import psutil

from streams.local import ports
from streams.local.process import Launch, ServerProcess

# Its first thread is dead and another one has the port, as in a JVM that is being killed.
HALF_DEAD = """
import ctypes, socket, sys, threading, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_runs_until_its_last_thread_has_ended_and_its_ports_are_free(tmp_path: Path) -> None:
    kept = tmp_path / "ports.json"
    (port,) = ports.claim(kept, 1)
    process = ServerProcess(tmp_path / "process.json", tmp_path / "log")
    process.spawn(Launch([sys.executable, "-c", HALF_DEAD, str(port)], {}, tmp_path))
    assert process.pid is not None
    if sys.platform == "linux":  # elsewhere a process is no zombie as long as it has a thread
        first_thread = psutil.Process(process.pid)
        deadline = time.monotonic() + 10
        while first_thread.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, process.last_lines()
            time.sleep(0.01)
    assert process.pid is not None
    process.kill()
    assert process.pid is None
    assert ports.claim(kept, 1) == [port]
