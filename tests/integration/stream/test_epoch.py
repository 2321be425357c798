"""Workers of one instance with different settings: never at the same time."""

import asyncio
import signal
from datetime import UTC, datetime

import pytest

from tests.fakes.zone_files import zone_file
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker, eventually

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(150)]

HOLDERS = """
select sum(case mode when 'ShareLock' then 1 else -1 end)  -- the other lock is had while a hold is taken
from pg_stat_activity inner join pg_locks using (pid)
where datname = current_database() and application_name like '%:%' and locktype = 'advisory' and granted
"""


async def refused(installation: Installation, worker: Worker) -> None:
    done = await asyncio.to_thread(installation.run, "worker")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "FUNNELPROOF_WINDOWS is 3s,1h there and 5s,hour here" in done.stderr
    assert "FUNNELPROOF_TIMEZONE is UTC there and Europe/Berlin here" in done.stderr
    assert f"{installation.settings.instance} worker " in done.stderr
    assert f":{worker.process.pid})" in done.stderr


async def refused_for_its_zone_file(installation: Installation) -> None:
    """As on a machine whose tzdata lets summer time begin a day later in one year."""
    zones = installation.folder / "zones"
    (zones / "Europe").mkdir(parents=True)
    (zones / "UTC").write_bytes(zone_file(first=0))
    (zones / "Europe" / "Berlin").write_bytes(zone_file((datetime(2031, 3, 31, 1, tzinfo=UTC), 7200)))
    (zones / "tzdata.zi").write_text("# version 1999x\n", "utf-8")
    installation.environment["PYTHONTZPATH"] = str(zones)
    done = await asyncio.to_thread(installation.run, "worker")
    del installation.environment["PYTHONTZPATH"]
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "windows in Europe/Berlin have other boundaries by tzdata" in done.stderr
    assert "there and tzdata 1999x here" in done.stderr


async def test_a_worker_with_other_settings_waits_for_its_turn(install: Install) -> None:
    """Also when the one that runs has lost its session, or is paused; once it is killed, the other takes over."""
    async with install(WINDOWS="3s,1h") as installation:
        funnel = Funnel()
        await funnel.create(installation.connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        former = dict(installation.environment)
        installation.environment |= {
            "FUNNELPROOF_WINDOWS": "5s,hour",
            "FUNNELPROOF_TIMEZONE": "Europe/Berlin",
        }
        await refused(installation, worker)

        await installation.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and application_name like '%:%'"
        )
        await eventually(lambda: "the hold on the epoch was lost" in worker.log(100))
        await installation.wait_until(f"select ({HOLDERS}) = 1")
        worker.process.send_signal(signal.SIGSTOP)
        await refused(installation, worker)
        worker.process.send_signal(signal.SIGCONT)
        await installation.wait_until_folding()
        assert worker.runs

        worker.kill()
        other = installation.start_worker()
        await installation.wait_until_folding()
        await funnel.enter_two_deals(installation.connection, await installation.now())
        await installation.wait_until(
            "select exists (select from dyno_crm.stage_conversion_live where window_name = '5s')"
        )
        await refused_for_its_zone_file(installation)
        installation.environment = former
        done = await asyncio.to_thread(installation.run, "worker")
        assert "FUNNELPROOF_WINDOWS is 5s,hour there and 3s,1h here" in done.stderr
        assert await other.stop() == 0
        installation.start_worker()
        await installation.wait_until_folding()
        current = "select windows from funnelproof.epoch inner join funnelproof.installation using (epoch)"
        assert await installation.connection.fetchval(current) == ["3s", "1h"]


async def test_workers_with_other_settings_that_start_together_are_one_group_or_none(
    install: Install,
) -> None:
    """Of four that start at once, two of each kind, those of one kind run and those of the other do not."""
    async with install(WINDOWS="1h") as installation:
        workers = []
        for windows in ("1h", "10m", "1h", "10m"):
            installation.environment["FUNNELPROOF_WINDOWS"] = windows
            workers.append(installation.start_worker())
        kinds = workers[0::2], workers[1::2]
        await eventually(lambda: any(not any(each.runs for each in kind) for kind in kinds), 40)
        lost, won = sorted(kinds, key=lambda kind: kind[0].runs)
        await installation.wait_until_folding()
        assert all(worker.runs for worker in won)
        assert all("runs with other settings" in worker.log(1) for worker in lost)
