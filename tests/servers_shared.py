"""One set of servers for all processes of a parallel test run: the controller starts them, workers ask for addresses.

pytest-xdist runs tests in worker processes. The controller process opens a socket; a worker sends the name of a
server, the controller starts that server where it does not run yet, and answers its address.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from typing import cast

from tests.servers import Servers, running_servers

Door = tuple[str, int, bytes]
"""Host, port and key of the controller's socket."""


class ServersOfController:
    """The servers as a worker process sees them."""

    def __init__(self, door: Door) -> None:
        self._host, self._port, self._key = door

    @cached_property
    def postgres_dsn(self) -> str:
        return self._ask("postgres_dsn")

    @cached_property
    def kafka(self) -> str:
        return self._ask("kafka")

    @cached_property
    def connect_url(self) -> str:
        return self._ask("connect_url")

    def _ask(self, name: str) -> str:
        with Client((self._host, self._port), authkey=self._key) as controller:
            controller.send(name)
            address, trouble = controller.recv()
        if trouble is not None:
            raise RuntimeError(f"the servers of this test run did not start: {trouble}")
        return str(address)


@contextmanager
def shared_servers() -> Iterator[Door]:
    """Answer workers for as long as the block lasts; stop at its end what was started."""
    key = secrets.token_bytes(16)
    with (
        running_servers() as servers,
        Listener(("127.0.0.1", 0), backlog=64, authkey=key) as listener,
    ):
        closing = threading.Event()
        threading.Thread(target=_answer_all, args=(listener, servers, closing), daemon=True).start()
        host, port = cast("tuple[str, int]", listener.address)
        try:
            yield host, port, key
        finally:
            closing.set()


def _answer_all(listener: Listener, servers: Servers, closing: threading.Event) -> None:
    starting = threading.Lock()
    while not closing.is_set():
        with suppress(OSError, EOFError, AuthenticationError):
            worker = listener.accept()
            threading.Thread(target=_answer, args=(worker, servers, starting), daemon=True).start()


def _answer(worker: Connection, servers: Servers, starting: threading.Lock) -> None:
    """Start what is asked for: one server at a time, so that two workers do not start it twice."""
    with worker, suppress(EOFError, OSError):
        name = worker.recv()
        try:
            with starting:
                worker.send((getattr(servers, name), None))
        except Exception as error:  # noqa: BLE001 - the worker tells it
            worker.send((None, f"{type(error).__name__}: {error}"))
