"""What an owner that was killed leaves on disk goes when the next one of its kind starts."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from rich.console import Console

from streams.demo.folder import remove_orphans as remove_demo_orphans
from streams.demo.folder import temporary_folder
from streams.local.postgres_home import home_in, remove_orphans, server_user
from streams.local.stack import LocalStack
from tests.servers import in_memory

pytestmark = pytest.mark.thorough

OWNER = """
import time
from streams.demo.folder import temporary_folder
from streams.local.stack import LocalStack
from tests.servers import in_memory
with temporary_folder() as folder, LocalStack(folder, only=["postgres"]).running():
    print(folder, flush=True)
    time.sleep(300)
"""


def new_home(homes: Path, name: str, folder: Path) -> Path:
    home = homes / f"funnelproof-postgres-{name}"
    (home / "data").mkdir(parents=True)
    (home / "belongs-to").symlink_to(folder / "home")
    return home


def test_the_folder_of_a_demo_that_was_killed_goes_when_its_servers_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        postgres = LocalStack(folder).postgres
        home = (postgres.folder / "home").resolve()
        remove_demo_orphans(tmp_path)
        assert postgres.healthy()
        owner.kill()
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        assert postgres.pid is None or home.exists()
        with temporary_folder():
            time.sleep(0.05)
    assert (list(tmp_path.iterdir()), home.exists()) == ([], False)


def test_the_folder_of_a_demo_stays_as_long_as_a_server_of_it_runs(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path / "funnelproof-demo-1", only=["postgres"], console=Console(quiet=True))
    stack.up()
    (stack.data_dir / "owner.lock").touch()
    remove_demo_orphans(tmp_path)
    assert stack.postgres.healthy()
    stack.down()
    remove_demo_orphans(tmp_path)
    assert not stack.data_dir.exists()


def test_the_folder_of_a_demo_stays_as_long_as_its_owner_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        with temporary_folder() as second:
            assert folder.exists()
        assert not second.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_a_demos_name_that_no_demo_made_stays(tmp_path: Path) -> None:
    users = tmp_path / "funnelproof-demo-data"
    users.mkdir()
    remove_demo_orphans(tmp_path)
    assert users.exists()


def test_a_home_goes_when_the_folder_it_belongs_to_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    folder.mkdir()
    orphan, kept = new_home(tmp_path, "1", tmp_path / "gone"), new_home(tmp_path, "2", folder)
    replaced, unknown = new_home(tmp_path, "3", folder), tmp_path / "funnelproof-postgres-4"
    (folder / "home").symlink_to(kept)
    (unknown / "data").mkdir(parents=True)
    remove_orphans(tmp_path)
    assert [home.exists() for home in (orphan, kept, replaced, unknown)] == [False, True, False, True]


def test_a_home_stays_as_long_as_its_server_may_run(tmp_path: Path) -> None:
    home = new_home(tmp_path, "1", tmp_path / "gone")
    lock = home / "data" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{home / 'data'}\n")
    remove_orphans(tmp_path)
    assert home.exists()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    lock.write_text(f"{ended.pid}\n{home / 'data'}\n")
    remove_orphans(tmp_path)
    assert not home.exists()


@pytest.mark.skipif(server_user() is None, reason="only root's servers have their home elsewhere")
def test_a_new_home_says_to_whom_it_belongs_and_the_orphans_go(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    homes = []
    for folder in folders:
        folder.mkdir()
        homes.append(home_in(folder, server_user()))
        assert homes[-1].exists()
        shutil.rmtree(folder)
    assert not homes[0].exists()
    remove_orphans(homes[1].parent)
    assert not homes[1].exists()


@pytest.mark.skipif(server_user() is None, reason="only root's servers have their home elsewhere")
@pytest.mark.skipif(in_memory() is None, reason="this machine keeps no files in memory")
def test_the_home_of_a_stack_in_memory_lies_in_memory_and_goes_with_the_stack() -> None:
    with temporary_folder(in_memory()) as folder:
        home = home_in(folder, server_user())
        assert home.parent == in_memory()
        assert (home / "belongs-to").readlink() == folder / "home"
    remove_orphans(home.parent)
    assert not home.exists()
