import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from streams.errors import UnreachableError
from streams.local.jars import MIRROR_VARIABLE, Jar, JarCache, locked_jars, repository_url

CONTENT = b"not really a jar"
JAR = Jar("org.example", "thing", "1.0", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
PATH = "/org/example/thing/1.0/thing-1.0.jar"


class Repository:
    """A Maven repository on loopback that remembers what it was asked for."""

    def __init__(self) -> None:
        self.files = {PATH: CONTENT}
        self.asked: list[str] = []
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                repository.asked.append(self.path)
                content = repository.files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    repository = Repository()
    threading.Thread(target=repository.server.serve_forever, args=(0.01,)).start()
    monkeypatch.setenv(MIRROR_VARIABLE, f"{repository.url}/")
    yield repository
    repository.server.shutdown()
    repository.server.server_close()


def cache(tmp_path: Path) -> JarCache:
    return JarCache([JAR], tmp_path / "jars", Console(file=io.StringIO()), maven_home=tmp_path / "m2")


def test_the_lock_file_names_each_jar_once_with_a_checksum() -> None:
    jars = locked_jars()
    assert {"kafka_2.13", "connect-runtime", "debezium-connector-postgres"} <= {jar.artifact for jar in jars}
    assert len({jar.name for jar in jars}) == len(jars)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)


def test_a_line_of_the_lock_file_is_read_as_it_is_written() -> None:
    line = f"org.example:thing:1.0 {len(CONTENT)} {JAR.sha256}"
    assert Jar.parse(line) == JAR
    assert str(JAR) == line


@pytest.mark.parametrize(
    "line", ["", "org.example:thing 1 x", "org.example:thing:1.0 one x", "org.example:thing:1.0 1"]
)
def test_a_malformed_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|literal"):
        Jar.parse(line)


def test_a_missing_jar_is_downloaded_and_a_present_one_is_not(tmp_path: Path, repository: Repository) -> None:
    (file,) = cache(tmp_path).class_path()
    assert file.read_bytes() == CONTENT
    assert cache(tmp_path).class_path() == [file]
    assert repository.asked == [PATH]


def test_a_damaged_jar_in_the_cache_is_downloaded_again(tmp_path: Path, repository: Repository) -> None:
    (file,) = cache(tmp_path).class_path()
    file.write_bytes(CONTENT[:-1])
    cache(tmp_path).class_path()
    assert file.read_bytes() == CONTENT
    assert len(repository.asked) == 2


def test_a_wrong_download_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, repository: Repository
) -> None:
    repository.files[PATH] = b"something else"
    with pytest.raises(UnreachableError, match=r"not what jars.lock expects"):
        cache(tmp_path).class_path()
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_jar_that_cannot_be_had_is_one_clear_error(tmp_path: Path, repository: Repository) -> None:
    repository.files.clear()
    with pytest.raises(
        UnreachableError, match=rf"thing-1.0.jar.*404.*connect to the internet.*{MIRROR_VARIABLE}"
    ):
        cache(tmp_path).class_path()


def test_the_local_maven_repository_is_used_if_its_jar_is_the_right_one(
    tmp_path: Path, repository: Repository
) -> None:
    local = tmp_path / "m2" / "repository" / JAR.path
    local.parent.mkdir(parents=True)
    local.write_bytes(CONTENT)
    (file,) = cache(tmp_path).class_path()
    assert file.read_bytes() == CONTENT
    assert repository.asked == []
    file.unlink()
    local.write_bytes(b"another build")
    cache(tmp_path).class_path()
    assert file.read_bytes() == CONTENT
    assert repository.asked == [PATH]


@pytest.mark.parametrize(
    ("mirror_of", "used"),
    [("central", True), ("*", True), ("*,!internal", True), ("*,!central", False), ("x", False)],
)
def test_the_users_own_mirror_of_maven_central_is_honoured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror_of: str, *, used: bool
) -> None:
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    settings = tmp_path / "settings.xml"
    settings.write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0"><mirrors><mirror><id>m</id>'
        f"<mirrorOf>{mirror_of}</mirrorOf><url>https://mirror.example/maven</url></mirror></mirrors></settings>"
    )
    assert (repository_url(settings) == "https://mirror.example/maven") is used
