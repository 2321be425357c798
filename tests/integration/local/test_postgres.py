import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from streams.errors import PreconditionError
from streams.local.postgres import Postgres
from streams.local.postgres_home import _copy, installed_programs, server_user
from streams.local.process import as_user


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("data") / "postgres")
    server.start()
    yield server
    server.erase()


async def test_it_is_ready_for_logical_decoding_and_asks_for_its_password(postgres: Postgres) -> None:
    connection = await asyncpg.connect(postgres.dsn())
    assert await connection.fetchval("show wal_level") == "logical"
    assert await connection.fetchval("show server_encoding") == "UTF8"
    assert await connection.fetchval("show password_encryption") == "scram-sha-256"
    assert await connection.fetchval("show listen_addresses") == "127.0.0.1"
    await connection.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn(), password="wrong")  # noqa: S106 - that is the point


def test_starting_it_again_changes_nothing(postgres: Postgres) -> None:
    before = (postgres.pid, postgres.dsn())
    assert postgres.start() is False
    assert (postgres.pid, postgres.dsn()) == before


def test_it_comes_back_from_a_crash_with_its_data_and_address(postgres: Postgres) -> None:
    postgres.create_database("kept")
    postgres.create_database("kept")
    address = postgres.dsn("kept")
    assert (
        postgres.execute("create table t (x int); insert into t values (1); select x from t", "kept") == "1"
    )
    postgres.kill()
    assert (postgres.pid, postgres.healthy()) == (None, False)
    assert postgres.start() is True
    assert postgres.dsn("kept") == address
    assert postgres.execute("select x from t", "kept") == "1"


def test_it_starts_beside_the_lock_of_a_pid_that_is_a_strangers_by_now(postgres: Postgres) -> None:
    lock = postgres.folder / "home" / "data" / "postmaster.pid"
    content = lock.read_text()
    postgres.kill()
    with subprocess.Popen(["sleep", "60"], **as_user(server_user())) as stranger:  # noqa: S607 - any program will do
        lock.write_text(content.replace(content.split("\n", 1)[0], str(stranger.pid), 1))
        assert postgres.start() is True
        assert stranger.poll() is None
        stranger.kill()


def test_a_running_server_that_was_never_recorded_does_not_block_the_next(postgres: Postgres) -> None:
    orphan = postgres.pid
    (postgres.folder / "process.json").unlink()
    assert postgres.start() is True
    assert postgres.pid not in (None, orphan)


def test_a_failing_statement_is_an_error_with_the_servers_message(postgres: Postgres) -> None:
    with pytest.raises(PreconditionError, match='relation "missing" does not exist'):
        postgres.execute("select * from missing")


def test_erasing_it_leaves_nothing(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres", {"fsync": "off"})
    server.start()
    home = (server.folder / "home").resolve()
    assert server.execute("show fsync") == "off"
    server.erase()
    assert (server.pid, server.folder.exists(), home.exists()) == (None, False, False)


def test_a_copy_of_the_programs_works_where_the_installation_cannot_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = installed_programs().parent
    _copy(installation, tmp_path / "copy")
    copied = tmp_path / "copy" / installation.parent.name / installation.name / "bin"
    assert {program.name for program in copied.iterdir()} == {"initdb", "postgres"}
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)  # the server's user must reach the copy
    monkeypatch.setattr("streams.local.postgres.programs", lambda *_: copied)
    server = Postgres(tmp_path / "postgres")
    server.start()
    server.erase()
