"""The embedded stack as a user and as an owner meets it; one data folder for all, because a first start is slow."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from rich.console import Console

from streams.local.process import Identity
from streams.local.stack import LocalStack, StackError
from tests import programs

pytestmark = pytest.mark.thorough

QUIET = Console(stderr=True, quiet=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    stack = LocalStack(tmp_path_factory.mktemp("stack"), console=QUIET)
    yield stack
    stack.erase()


@pytest.fixture(scope="module")
def database_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a stack that has a database alone."""
    folder = tmp_path_factory.mktemp("database")
    yield folder
    LocalStack(folder, only=["postgres"], console=QUIET).erase()


def local(command: str, stack: LocalStack, *options: str) -> subprocess.CompletedProcess[str]:
    return programs.run(["local", command, "--data-dir", str(stack.data_dir), *options], os.environ)


def pids(stack: LocalStack) -> dict[str, int | None]:
    return {server.name: server.pid for server in stack.servers}


def family(stack: LocalStack) -> list[psutil.Process]:
    """All processes of all servers."""
    heads = [psutil.Process(server.pid) for server in stack.servers if server.pid]
    return heads + [child for head in heads for child in head.children(recursive=True)]


def test_up_starts_everything_and_prints_the_environment(stack: LocalStack) -> None:
    done = local("up", stack, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"environment": stack.environment()}
    assert set(stack.environment()) == {
        "FUNNELPROOF_SOURCE_DSN",
        "FUNNELPROOF_KAFKA",
        "FUNNELPROOF_CONNECT_URL",
    }
    assert all(server.healthy for server in stack.status())
    plugins = httpx.get(stack.environment()["FUNNELPROOF_CONNECT_URL"] + "/connector-plugins").json()
    assert "io.debezium.connector.postgresql.PostgresConnector" in {plugin["class"] for plugin in plugins}


def test_up_makes_the_tables_of_the_crm(stack: LocalStack) -> None:
    stack.up()
    tables = stack.postgres.execute("select relname, relreplident from pg_class where relkind = 'r' and "
                                    "relnamespace = 'dyno_crm'::regnamespace order by 1", "crm")  # fmt: skip
    assert tables.split() == ["deal_pipeline_stage_state|f", "pipeline_stage|d", "report_run|d"]


def test_a_second_up_changes_nothing_and_prints_the_same(stack: LocalStack) -> None:
    stack.up()
    before = pids(stack)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in stack.environment().items()]
    assert local("up", stack).stdout.splitlines() == exports
    assert pids(stack) == before


def test_of_two_that_come_at_once_one_starts_the_servers(database_folder: Path) -> None:
    both = [LocalStack(database_folder, only=["postgres"], console=QUIET) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        started = [job.result() for job in [pool.submit(stack.up) for stack in both]]
    assert sorted(len(servers) for servers in started) == [0, 1]
    assert both[0].environment() == both[1].environment()
    both[0].down()


def test_up_starts_just_what_has_died_and_status_tells(stack: LocalStack) -> None:
    stack.up()
    before = pids(stack)
    environment = stack.environment()
    stack.postgres.kill()
    status = local("status", stack, "--json")
    assert status.returncode == 1
    assert {server["name"]: server["healthy"] for server in json.loads(status.stdout)["servers"]}[
        "postgres"
    ] is False
    assert stack.up() == [stack.postgres]
    assert stack.environment() == environment
    assert {name for name, pid in pids(stack).items() if pid != before[name]} == {"postgres"}
    assert local("status", stack).returncode == 0


def test_down_leaves_nothing_running_and_twice_is_no_error(stack: LocalStack) -> None:
    stack.up()
    processes = family(stack)
    assert len(processes) > 3
    assert json.loads(local("down", stack, "--json").stdout) == {"stopped": ["postgres", "kafka", "connect"]}
    assert [process for process in processes if Identity.of(process.pid)] == []
    assert json.loads(local("down", stack, "--json").stdout) == {"stopped": []}
    assert local("status", stack).returncode == 1


def test_nothing_outlives_an_owner_that_is_killed(stack: LocalStack) -> None:
    stack.down()
    program = (
        "import sys, time; from pathlib import Path; from streams.local.stack import LocalStack\n"
        "with LocalStack(Path(sys.argv[1]), sys.argv[2:]).running() as environment:\n"
        "    print(environment, flush=True); time.sleep(300)"
    )
    command = [sys.executable, "-c", program, str(stack.data_dir), "postgres", "kafka"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert "FUNNELPROOF_KAFKA" in owner.stdout.readline()
        processes = family(stack) + psutil.Process(owner.pid).children()
        assert len(processes) > 4
        owner.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert alive == []
    assert set(pids(stack).values()) == {None}


def test_a_block_stops_what_it_started_and_only_that(stack: LocalStack) -> None:
    stack.down()
    database = LocalStack(stack.data_dir, only=["postgres"], console=QUIET)
    begin = time.monotonic()
    with database.running() as environment:
        assert set(environment) == {"FUNNELPROOF_SOURCE_DSN"}
        assert database.postgres.healthy()
        with LocalStack(stack.data_dir, only=["postgres"]).running():
            pass
        assert database.postgres.healthy()
        assert time.monotonic() - begin < 15
    assert pids(stack) == {"postgres": None, "kafka": None, "connect": None}


def test_a_start_that_fails_says_why_and_leaves_nothing_running(database_folder: Path) -> None:
    broken = LocalStack(database_folder, only=["postgres"], console=QUIET)
    broken.up()
    broken.down()
    control = broken.postgres.folder / "home" / "data" / "global" / "pg_control"
    control.rename(control.with_name("kept"))
    with (
        pytest.raises(StackError, match=r"(?s)postgres ended while it started.*pg_control"),
        broken.running(),
    ):
        pass
    assert broken.postgres.pid is None
    control.with_name("kept").rename(control)


def test_an_interrupted_up_leaves_nothing_running(stack: LocalStack) -> None:
    stack.down()
    command = [sys.executable, "-m", "streams.local.supervisor", str(stack.data_dir), "postgres", "kafka"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        while stack.postgres.pid is None:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0
    assert set(pids(stack).values()) == {None}
