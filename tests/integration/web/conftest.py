"""A real uvicorn with the site on a test's own database."""

import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from streams.listening import listen
from streams.settings import Settings
from streams.web.gate import Gate
from streams.web.server import SiteServer
from streams.web.site import create_site
from tests.integration.web.desk import DAY, NOW, Desk, name

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of pages without TLS: httpx would read the certificates of all authorities for every client."""


@dataclass(frozen=True)
class Town:
    """Two tenants with a pipeline each; `acme` has ten closed days and an open one."""

    desk: Desk
    dsn: str
    acme: UUID
    sales: UUID
    other: UUID
    theirs: UUID

    @property
    def where(self) -> dict[str, str]:
        """The parameters of acme's pipeline."""
        return {"tenant": str(self.acme), "pipeline": str(self.sales), "window": "day"}


@contextmanager
def serving(settings: Settings, port: int = 0, gate: Gate | None = None) -> Iterator[str]:
    """Serve the site in a thread; the address."""
    listening = listen("127.0.0.1", port)
    server = SiteServer(create_site(settings, gate))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
async def town(database: str) -> AsyncIterator[Town]:
    desk = await Desk.open(database)
    town = Town(desk, database, name("acme"), name("sales"), name("other"), name("theirs"))
    await desk.install()
    await desk.flush()
    today = NOW.replace(hour=0, minute=0, second=0)
    for tenant, pipeline in ((town.acme, town.sales), (town.other, town.theirs)):
        await desk.stages(tenant, pipeline)
    for ago in range(10, 0, -1):
        start = today - ago * DAY
        await desk.close(
            town.acme, town.sales, "day", start, start + DAY, [(400 + ago, 180), (200, 90), (100, 40)]
        )
    await desk.close(
        town.acme, town.sales, "day", today - 3 * DAY, today - 2 * DAY, [(404, 181), (200, 90), (100, 40)],
        revision=2, causes=["backdate"], after=60,
    )  # fmt: skip
    await desk.close(town.other, town.theirs, "day", today - DAY, today, [(7, 3), (3, 1), (1, 0)])
    await desk.open_window("day", today, today + DAY)
    await desk.open_window(
        "hour", NOW.replace(minute=0, second=0), NOW.replace(minute=0, second=0) + timedelta(hours=1)
    )
    await desk.count(town.acme, town.sales, "day", today, today + DAY, [(120, 30), (60, 20), (20, 5)])
    yield town
    await desk.connection.close()


@pytest.fixture
async def address(town: Town) -> AsyncIterator[str]:
    """The address of a site that everybody on this machine may read."""
    with serving(Settings(source_dsn=town.dsn)) as address:
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=PLAIN, base_url=address, timeout=20) as client:
        yield client
