"""What a user has after `pip install`: a wheel built from the sources, installed in an environment of its own."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from streams.resources import sql
from streams.settings import PREFIX
from tests.servers import new_database

ROOT = Path(__file__).parents[2]
TENANT, PIPELINE, LEAD, DEMO, DEAL = (UUID(int=number) for number in range(1, 6))
CRM = f"""
insert into dyno_crm.pipeline_stage values
    ('{LEAD}', '{TENANT}', '{PIPELINE}', 'Lead', 1), ('{DEMO}', '{TENANT}', '{PIPELINE}', 'Demo', 2);
insert into dyno_crm.deal_pipeline_stage_state values
    (gen_random_uuid(), '{TENANT}', '{DEAL}', '{PIPELINE}', '{LEAD}', '2026-03-01T10:00Z'),
    (gen_random_uuid(), '{TENANT}', '{DEAL}', '{PIPELINE}', '{DEMO}', '2026-03-01T11:00Z');
"""  # noqa: S608 - the test's own rows
FACTS = """
select run_id::text, from_stage_id, to_stage_id, entered_count, converted_count
from dyno_crm.report_stage_conversion_fact
"""
PROGRAM = """
import asyncio
import os
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

import funnelproof
import streams

assert funnelproof.__file__.startswith(os.environ["HOME"]), funnelproof.__file__
assert streams.__file__.startswith(os.environ["HOME"]), streams.__file__


async def main(report_dsn: str | None) -> UUID:
    crm = await asyncpg.connect(os.environ["FUNNELPROOF_SOURCE_DSN"])
    report = await asyncpg.connect(report_dsn) if report_dsn else None
    period = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    run_id: UUID = await funnelproof.run_stage_conversion_report(
        crm, UUID(int=1), UUID(int=2), *period, report_conn=report
    )
    for connection in filter(None, (crm, report)):
        await connection.close()
    return run_id


print(asyncio.run(main(os.environ.get("FUNNELPROOF_REPORT_DSN"))))
"""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, in a folder with nothing else."""

    home: Path

    @property
    def python(self) -> Path:
        return self.home / "environment" / "bin" / "python"

    def run(self, *command: str | Path, **settings: str) -> str:
        done = subprocess.run(
            [*command],
            cwd=self.home,
            env={"PATH": os.defpath, "HOME": str(self.home)}
            | {f"{PREFIX}{name}": value for name, value in settings.items()},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def funnelproof(self, *arguments: str, **settings: str) -> str:
        return self.run(self.python.with_name("funnelproof"), *arguments, **settings)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this checkout without its dependencies, which come from the environment of the tests.

    The folder of the tests' packages is named in a file that Python reads at the start. Python does not read such
    files of that folder, so the checkout itself cannot be imported.
    """
    home = tmp_path_factory.mktemp("installed")
    without_compiling = os.environ | {"HATCH_BUILD_NO_HOOKS": "true"}
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home)]
    subprocess.run(build, cwd=ROOT, env=without_compiling, check=True, capture_output=True)
    venv.create(home / "environment", with_pip=False)
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own,) = (home / "environment").glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text("\n".join(packages), "utf-8")
    installed = Installed(home)
    (wheel,) = home.glob("*.whl")
    pip = [str(Path(sys.executable).resolve()), "-m", "pip", "--python", str(installed.python), "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    return installed


@pytest.fixture
async def crm(postgres_dsn: str) -> AsyncIterator[str]:
    """A CRM in which one deal went from the first stage to the second; no report tables."""
    async with new_database(postgres_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm") + CRM)
        await connection.execute("drop table dyno_crm.report_run")
        await connection.close()
        yield dsn


async def facts(dsn: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(FACTS)
    await connection.close()
    return [tuple(row) for row in rows]


async def test_the_report_runs_from_an_installed_wheel_in_the_crm_s_database(
    installed: Installed, crm: str
) -> None:
    installed.funnelproof("migrate", SOURCE_DSN=crm)
    run_id = installed.run(installed.python, "-c", PROGRAM, SOURCE_DSN=crm).strip()
    assert await facts(crm) == [(run_id, LEAD, DEMO, 1, 1)]


async def test_the_report_runs_from_an_installed_wheel_with_the_report_tables_in_another_database(
    installed: Installed, crm: str, empty_database: str
) -> None:
    both = {"SOURCE_DSN": crm, "REPORT_DSN": empty_database}
    touched = json.loads(installed.funnelproof("migrate", "--json", **both))["migrations"]
    assert "dyno_crm.report_run" in str(touched)
    run_id = installed.run(installed.python, "-c", PROGRAM, **both).strip()
    assert await facts(empty_database) == [(run_id, LEAD, DEMO, 1, 1)]


def test_the_installed_packages_have_their_types_and_their_sql(installed: Installed) -> None:
    program = installed.home / "program.py"
    program.write_text(PROGRAM.replace("report_conn=report", "report_conn=1"), "utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed.python, program],
        cwd=installed.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Argument "report_conn" to "run_stage_conversion_report" has incompatible type' in checked.stdout
    assert "import-untyped" not in checked.stdout
    roles = "from streams.resources import sql; print(sql('roles'))"
    assert "create role" in installed.run(installed.python, "-c", roles)
