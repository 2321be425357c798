"""`funnelproof dashboard` as a user runs the command."""

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx

from streams.settings import PREFIX
from tests import programs
from tests.integration.web.conftest import PLAIN, Town


def environment(town: Town) -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return outside | {f"{PREFIX}SOURCE_DSN": town.dsn}


async def told(town: Town, *words: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(programs.run, ["dashboard", *words], environment(town), 60)
    return done.returncode, done.stdout, done.stderr


async def test_the_command_serves_until_a_signal_and_ends_well(town: Town, tmp_path: Path) -> None:
    told = tmp_path / "err"
    process = await asyncio.to_thread(
        programs.Program, ["dashboard", "--port", "0"], environment(town), tmp_path / "out", told
    )
    async with asyncio.timeout(60):
        while not (
            address := re.search(r"http://\S+(?=\s)", await asyncio.to_thread(told.read_text, "utf-8"))
        ):
            assert process.poll() is None
            await asyncio.sleep(0.05)
    async with httpx.AsyncClient(verify=PLAIN, base_url=address[0], timeout=20) as client:
        assert (await client.get("/", params=town.where)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert "funnelproof_dashboard_followers" in (await client.get("/metrics")).text
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == 0


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
