"""`funnelproof dashboard` as a user runs the command."""

import asyncio
import os
import signal
import sys

import httpx

from streams.settings import PREFIX
from tests.integration.web.conftest import Town


async def run(town: Town, *words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streams", "dashboard", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        | {f"{PREFIX}SOURCE_DSN": town.dsn},
    )  # fmt: skip


async def told(town: Town, *words: str) -> tuple[int | None, str, str]:
    process = await run(town, *words)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_serves_until_a_signal_and_ends_well(town: Town) -> None:
    process = await run(town, "--port", "0")
    assert process.stderr is not None
    line = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
    async with httpx.AsyncClient(base_url=line.split()[-1], timeout=20) as client:
        assert (await client.get("/", params=town.where)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert "funnelproof_dashboard_followers" in (await client.get("/metrics")).text
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_token_for_operations_is_of_all_tenants(town: Town) -> None:
    code, _, err = await told(town, "token", "add", "acme", "--tenant", str(town.acme), "--operations")
    assert (code, "--operations tells of every tenant" in err) == (2, True)


async def test_tokens_are_made_listed_and_revoked(town: Town) -> None:
    refused = await told(town, "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - refused
    assert (refused[0], "funnelproof dashboard token add" in refused[2]) == (2, True)
    status, token, _ = await told(
        town, "token", "add", "sales-ops", "--tenant", str(town.acme), "--expires", "90d"
    )
    assert (status, token.startswith("fp_")) == (0, True)
    _, listed, _ = await told(town, "token", "list", "--json")
    assert "sales-ops" in listed
    assert token.strip() not in listed
    assert (await told(town, "token", "revoke", "sales-ops"))[0] == 0
    assert (await told(town, "token", "revoke", "sales-ops"))[0] == 2
