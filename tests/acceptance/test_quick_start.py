"""The page docs/quick-start.md, block by block as the page has them, on the real stack."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from streams.brokers import Brokers
from streams.cdc.topics import Topics
from streams.resources import sql
from streams.settings import PREFIX
from tests.servers import Servers, new_database

pytestmark = pytest.mark.thorough

PAGE = (Path(__file__).parents[2] / "docs" / "quick-start.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SERVERS = ("pip install ", 'eval "$(funnelproof local up)"', "funnelproof local down")
"""Lines about servers: the servers of the tests run already."""
LIVE = """
select entered_count, converted_count from dyno_crm.stage_conversion_live
where window_name = 'day' and from_stage = 'Lead' and to_stage = 'Demo'
"""
CLOSED = """
select sum(entered_count)::integer from dyno_crm.stage_conversion_current
where window_name = '15s' and from_stage = 'Lead'
"""


@dataclass
class Terminal:
    """A shell in a folder of its own."""

    folder: Path
    environment: dict[str, str]
    running: ExitStack

    def run(self, line: str) -> str:
        """Run a line to its end; return what it printed."""
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    @contextmanager
    def beside(self, line: str) -> Iterator[None]:
        """Run a line until the end of the block; the line must end well when it is told to end."""
        log = self.folder / f"{line.split()[1]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["/bin/bash", "-c", f"exec {line}"],
                cwd=self.folder, env=self.environment, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            yield
            process.terminate()
            assert process.wait(30) == 0, log.read_text("utf-8")
        finally:
            process.kill()
            process.wait()


@pytest.fixture
async def terminal(servers: Servers, tmp_path: Path) -> AsyncIterator[Terminal]:
    name = f"quick_{uuid4().hex[:10]}"
    async with new_database(servers.postgres_dsn, "template0", name) as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))  # as `funnelproof local up` does
        await connection.close()
        mine = {
            "SOURCE_DSN": dsn,
            "KAFKA": servers.kafka,
            "CONNECT_URL": servers.connect_url,
            "INSTANCE": name,
            "TOPIC_PREFIX": name,
            "PARTITIONS": "2",
        }
        outside = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        outside["PATH"] = f"{Path(sys.executable).parent}:{outside['PATH']}"
        with ExitStack() as running:
            terminal = Terminal(
                tmp_path, outside | {f"{PREFIX}{key}": value for key, value in mine.items()}, running
            )
            yield terminal
        terminal.run("funnelproof connector delete --topics")
        await Topics(Brokers(servers.kafka)).delete([f"{name}.facts"])


async def test_the_quick_start_leads_to_the_numbers_that_it_promises(terminal: Terminal) -> None:
    printed: dict[str, str] = {}
    connection = await asyncpg.connect(terminal.environment[f"{PREFIX}SOURCE_DSN"])
    for language, block in BLOCKS:
        if language == "python":
            (terminal.folder / "deals.py").write_text(block, "utf-8")
            continue
        for line in re.findall(r"^\$ (.+)$", block, re.MULTILINE):
            if line.startswith(SERVERS):
                continue
            if export := re.fullmatch(r"export (\w+)=(\S+)", line):
                terminal.environment[export[1]] = export[2]
            elif line in ("funnelproof worker", "funnelproof dashboard"):
                port = " --port 0" if line.endswith("dashboard") else ""  # the page's own port may be taken
                terminal.running.enter_context(terminal.beside(line + port))
            else:
                if line == "funnelproof status":
                    await until(connection, CLOSED, (3,))
                printed[line] = await asyncio.to_thread(terminal.run, line)
            if line == "python deals.py":
                await until(connection, LIVE, (3, 2))
    await connection.close()
    assert re.search(r"compared \d+ runs, \d+ pairs: equal", printed["funnelproof reconcile --window 15s"])
    assert "all is well" in printed["funnelproof status"]


async def until(
    connection: "asyncpg.Connection[asyncpg.Record]", question: str, answer: tuple[int, ...]
) -> None:
    """Wait until a query gives the numbers."""
    deadline = time.monotonic() + 60
    while (found := await connection.fetchrow(question)) is None or tuple(found) != answer:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)
