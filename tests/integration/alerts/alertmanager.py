"""A real Alertmanager, where one is installed (Debian: prometheus-alertmanager)."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PROGRAMS = ("prometheus-alertmanager", "alertmanager")


def program() -> str:
    """Return the program, or skip the test."""
    found = os.environ.get("FUNNELPROOF_TEST_ALERTMANAGER") or next(
        filter(None, map(shutil.which, PROGRAMS)), None
    )
    if found is None:
        pytest.skip("no Alertmanager is installed: apt-get install prometheus-alertmanager")
    return found


@dataclass(frozen=True)
class RealAlertmanager:
    """Its address, and what it knows."""

    url: str

    async def alerts(self) -> dict[str, dict[str, Any]]:
        """Return the alerts that are on, by name and pipeline."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/api/v2/alerts")
        return {each["labels"]["alertname"]: each for each in answer.json()}

    async def is_ready(self) -> bool:
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(f"{self.url}/-/ready")).is_success
        return False


@asynccontextmanager
async def alertmanager(folder: Path, config: str) -> AsyncIterator[RealAlertmanager]:
    """Run one on a free port, with nothing but its own folder."""
    (folder / "alertmanager.yml").write_text(config, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "alertmanager.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program(),
            f"--config.file={folder}/alertmanager.yml",
            f"--storage.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            stdout=log,
            stderr=log,
        )
    running = RealAlertmanager(f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(30):
            while not await running.is_ready():
                assert process.returncode is None, (folder / "alertmanager.log").read_text("utf-8")
                await asyncio.sleep(0.05)
        yield running
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
