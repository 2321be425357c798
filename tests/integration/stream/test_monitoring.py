"""A real Prometheus scrapes all processes of a busy installation: every expression of Grafana's panels has data."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest
import yaml

from streams.listening import listen
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.writing import NEW, keep_writing
from tests.unit.deploy.test_grafana import expressions, with_values

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "prometheus"
PROCESSES = {
    "worker": ("worker",),
    "alerts": ("alerts", "run"),
    "reconcile": ("reconcile", "--every", "5s"),
    "dashboard": ("dashboard", "--port", "{page}"),
}
Look = Callable[[], Awaitable[object]]
RULES = """
[[rule]]
name = "hardly anybody converts"
kind = "below"
window = "3s"
rate = "99%"
min_entered = 1

[[rule]]
name = "conversion falls"
drop = "30%"
kind = "drop"
window = "3s"
"""
"""The first rule fires with the first windows: a series of alerts begins with an alert. The second has a meter."""


def free_port() -> int:
    with listen("127.0.0.1", 0) as listening:
        port: int = listening.getsockname()[1]
    return port


@dataclass
class Prometheus:
    """A Prometheus as its clients see it."""

    client: httpx.AsyncClient

    async def ask(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        answer = await self.client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def ready(self) -> bool:
        """Return False while nobody listens, and while Prometheus reads its files."""
        try:
            return (await self.client.get("/-/ready")).is_success
        except httpx.TransportError:
            return False

    async def targets(self) -> dict[str, str]:
        """Return the health of every target by job."""
        found = await self.ask("targets")
        return {target["labels"]["job"]: target["health"] for target in found["activeTargets"]}

    async def values(self, expression: str) -> list[float]:
        """Return the numbers that an expression gives now."""
        found = await self.ask("query", query=with_values(expression))
        return [value for each in found["result"] if not isnan(value := float(each["value"][1]))]

    async def rules(self) -> list[dict[str, Any]]:
        """Return the rules with their states."""
        groups = (await self.ask("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]


@pytest.fixture
async def installation(install: Install, tmp_path: Path) -> AsyncIterator[Installation]:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES, "utf-8")
    chosen = {"PROOF_WAIT": "20s", "CHECKPOINT_INTERVAL": "5s", "ALERT_RULES": str(rules)}
    async with install(WINDOWS="3s,day", **chosen) as installation:
        yield installation


def configure(folder: Path, ports: Mapping[str, int]) -> Path:
    """Write the configuration as it is shipped, with ports of the test, and faster."""
    told = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text("utf-8"))
    told["global"] = dict.fromkeys(told["global"], "1s")
    for job in told["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    for name in told["rule_files"]:
        shutil.copyfile(CONFIGURATION / name, folder / name)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(told), "utf-8")
    return file


@contextmanager
def serving(program: str, configuration: Path, port: int) -> Iterator[None]:
    """Run Prometheus."""
    with (configuration.parent / "prometheus.log").open("wb") as log:
        server = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={configuration.parent / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log,
        )
    try:
        yield
    finally:
        server.kill()
        server.wait()


async def without_data(
    prometheus: Prometheus, look: Look, wanted: Sequence[str], seconds: float
) -> Sequence[str]:
    """Return the expressions that have given no number within a time, while somebody looks at the page."""
    missing = wanted
    deadline = asyncio.get_running_loop().time() + seconds
    while missing and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.5)
        await look()
        missing = [each for each in missing if not await prometheus.values(each)]
    return missing


async def test_every_target_is_up_and_every_expression_has_data(
    installation: Installation, tmp_path: Path
) -> None:
    program = os.environ.get("FUNNELPROOF_TEST_PROMETHEUS") or shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus is installed: apt-get install prometheus")
    funnel = Funnel()
    await funnel.create(installation.connection)
    ports = {name: free_port() for name in (*PROCESSES, "page", "prometheus")}
    async with AsyncExitStack() as stack:
        for name, words in PROCESSES.items():
            command = [word.format(**ports) for word in words]
            process = Worker(
                installation.environment, tmp_path / f"{name}.log", *command, "--web-port", str(ports[name])
            )
            installation.workers.append(process)
        await installation.wait_until_folding()
        stack.enter_context(serving(program, configure(tmp_path, ports), ports["prometheus"]))
        page, client = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[name]}", timeout=20)
            )
            for name in ("page", "prometheus")
        ]
        prometheus = Prometheus(client)
        async with asyncio.timeout(60):
            while not await prometheus.ready() or await prometheus.targets() != dict.fromkeys(
                PROCESSES, "up"
            ):
                await asyncio.sleep(0.2)
        where = urlencode({"tenant": funnel.tenant, "pipeline": funnel.pipeline, "window": "day"})
        async with (
            keep_writing(installation, [funnel], pause=0.03),
            page.stream("GET", f"/live?{where}") as stream,
        ):
            lines = stream.aiter_lines()
            await anext(lines)
            assert (await page.get(f"/?{where}")).status_code == 200
            async with installation.connection.transaction():
                entry = (uuid4(), funnel.tenant, uuid4(), funnel.pipeline, funnel.ids["a"])
                await installation.connection.execute(NEW, *entry)
                # The expressions about the open transaction have data only while the transaction is open.
                held = [each for each, _ in expressions() if "holding_transaction" in each]
                assert held
                assert await without_data(prometheus, partial(page.get, f"/?{where}"), held, 20) == []
            others = [each for each, _ in expressions() if each not in held]
            assert await without_data(prometheus, partial(page.get, f"/?{where}"), others, 60) == []
            assert await prometheus.values("sum(funnelproof_dashboard_followers)") == [1]
        rules = await prometheus.rules()
        assert {rule["health"] for rule in rules} == {"ok"}, rules
        firing = {rule["name"] for rule in rules if rule["state"] == "firing"}
        assert firing - {"FunnelproofAlertsHeld"} == set()
