"""A real Alertmanager while an alert fires for half an hour and `funnelproof alerts run` is killed and started again.

Example: `python -m tests.chaos.long_firing --minutes 30`. A real fold and a real closing make windows of five minutes
in an embedded Postgres, at the pace of the clock. Conversion falls and stays low. Alertmanager's API is asked every
5 s, and a site takes what Alertmanager tells people. Then conversion recovers, and Alertmanager must tell of the end.
"""

import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from streams.domain.plan import plan_for
from streams.resources import sql
from streams.store.installation import register_installation
from streams.store.migrations import migrate
from tests.integration.alerts.alertmanager import RealAlertmanager, alertmanager
from tests.integration.alerts.web import Site
from tests.integration.alerts.web import site as running_site
from tests.integration.closing.conftest import START, Desk, desk_of, entry
from tests.integration.stream.installation import outside
from tests.servers import EmbeddedServers, embedded_servers, new_database

WINDOW = 300
STEP = 10
DEALS = 20
"""Deals that enter in a step."""
USUAL, FALLEN = 0.5, 0.05
NAME = "FunnelproofConversionDrop"
CONFIG = """
route: {{receiver: site, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers: [{{name: site, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""
RULES = """
[receivers.on-call]
alertmanager = "{url}"

[[rule]]
name = "drops"
kind = "drop"
window = "5m"
drop = "30%"
receivers = ["on-call"]
"""


@dataclass
class Traffic:
    """Deals that enter and convert, step by step."""

    desk: Desk
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    second: int = 0
    deal: int = 0

    async def step(self, rate: float, seconds: int = STEP) -> None:
        """Write what happens in so many seconds, and prove everything until then."""
        for _ in range(DEALS * seconds // STEP):
            self.deal += 1
            at, name = self.second + self.chance.uniform(0, seconds / 2), f"deal {self.deal}"
            self._write("a", 0, name, at)
            if self.chance.random() < rate:
                self._write("b", 1, name, at + self.chance.uniform(0.1, seconds / 2))
        self.second += seconds
        await self.desk.flush()
        await self.desk.close(self.second)

    def _write(self, row: str, stage: int, deal: str, at: float) -> None:
        self.desk.write(f"{deal} {row}", entry(stage, at), deal=deal, partition=self.deal % 2, late=False)


@dataclass
class Seen:
    """What Alertmanager said. `missing` counts answers without the alert while the alert fires."""

    asked: int = 0
    missing: int = 0
    fired: bool = False

    async def ask(self, manager: RealAlertmanager) -> None:
        """Ask Alertmanager for its alerts."""
        is_on = NAME in await manager.alerts()
        self.fired |= is_on
        self.asked += self.fired
        self.missing += self.fired and not is_on


def told(site: Site) -> list[str]:
    """Return the statuses that people were told."""
    return [
        alert["status"]
        for each in site.taken
        for alert in json.loads(each.body)["alerts"]
        if alert["labels"]["alertname"] == NAME
    ]


@asynccontextmanager
async def installed(servers: EmbeddedServers) -> AsyncIterator[tuple[str, Traffic]]:
    """Have a report database with a day's worth of windows."""
    async with new_database(servers.postgres_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))
        await migrate(connection)
        await register_installation(connection, "funnelproof", START)
        await connection.close()
        async with asyncpg.create_pool(dsn, min_size=1, server_settings={"timezone": "UTC"}) as pool:
            traffic = Traffic(await desk_of(pool, plan=plan_for(("5m",), "UTC")))
            for _ in range(24):
                await traffic.step(USUAL, WINDOW)
            yield dsn, traffic


def start_alerts(dsn: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start `funnelproof alerts run`. No Kafka answers: the receivers are independent of each other."""
    environment = outside() | {
        "FUNNELPROOF_SOURCE_DSN": dsn,
        "FUNNELPROOF_KAFKA": "127.0.0.1:9",
        "FUNNELPROOF_WINDOWS": "5m",
        "FUNNELPROOF_ALERT_RULES": str(folder / "rules.toml"),
    }
    with (folder / "alerts.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "streams", "alerts", "run"], env=environment, stdout=log, stderr=log
        )


async def watch(folder: Path, minutes: float) -> str:
    """Watch an Alertmanager for so long while an alert fires; return what was seen."""
    with embedded_servers() as servers:
        async with (
            running_site() as site,
            alertmanager(folder, CONFIG.format(url=site.url)) as manager,
            installed(servers) as (dsn, traffic),
        ):
            (folder / "rules.toml").write_text(RULES.format(url=manager.url), "utf-8")
            alerts, seen = start_alerts(dsn, folder), Seen()
            try:
                alerts = await _fire(alerts, dsn, folder, manager, traffic, seen, minutes)
                early = told(site)
                assert set(early) == {"firing"}, early
                ended = await _recover(site, traffic)
            finally:
                alerts.kill()
                alerts.wait()
    assert seen.missing == 0
    return (
        f"{minutes:g} minutes of firing, 1 restart by SIGKILL: {seen.asked} answers of Alertmanager, "
        f"{seen.missing} without the alert; people were told {early} meanwhile, {told(site)} in all; "
        f"the end was told {ended:.0f} s after the recovery began"
    )


async def _fire(
    alerts: subprocess.Popen[bytes],
    dsn: str,
    folder: Path,
    manager: RealAlertmanager,
    traffic: Traffic,
    seen: Seen,
    minutes: float,
) -> subprocess.Popen[bytes]:
    began, restarted = time.monotonic(), False
    while not seen.fired or time.monotonic() - began < minutes * 60:
        next_step = time.monotonic() + STEP
        await traffic.step(FALLEN)
        while time.monotonic() < next_step:
            fired_before = seen.fired
            await seen.ask(manager)
            if seen.fired and not fired_before:
                began = time.monotonic()
            assert seen.fired or time.monotonic() - began < WINDOW, (folder / "alerts.log").read_text()[
                -3000:
            ]
            await asyncio.sleep(min(STEP / 2, max(0.0, next_step - time.monotonic())))
        if not restarted and time.monotonic() - began > minutes * 60 / 3:
            restarted = True
            alerts.send_signal(signal.SIGKILL)
            alerts.wait()
            await asyncio.sleep(STEP)
            alerts = start_alerts(dsn, folder)
    assert restarted
    return alerts


async def _recover(site: Site, traffic: Traffic) -> float:
    began = time.monotonic()
    while "resolved" not in told(site):
        assert time.monotonic() - began < 2 * WINDOW
        await traffic.step(USUAL)
        await asyncio.sleep(1)
    return time.monotonic() - began


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the alert fires.")] = 30.0,
) -> None:
    """Watch a real Alertmanager."""
    with tempfile.TemporaryDirectory() as folder:
        typer.echo(asyncio.run(watch(Path(folder), minutes)))


if __name__ == "__main__":
    typer.run(main)
