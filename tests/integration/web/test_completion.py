"""Tab in a real bash: what is offered, and what is never offered."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.cli import completing
from streams.settings import PREFIX
from tests import programs
from tests.integration.web.conftest import Town
from tests.integration.web.desk import Desk

COMPLETE = """
eval "$(funnelproof --show-completion)"
for line in "$@"; do
    read -ra words <<< "$line"
    [[ $line == *' ' ]] && words+=('')
    COMP_WORDS=(funnelproof "${words[@]}")
    COMP_CWORD=${#words[@]}
    _funnelproof_completion funnelproof
    echo "${COMPREPLY[*]}"
done
"""
HOSTILE = (
    "x; touch {0}",
    "$(touch {0})",
    "`touch {0}`",
    'a" ; touch {0} ; "',
    "a\\",
    "*",
    "a'b",
    "-rf",
    "two words",
)


def outside() -> dict[str, str]:
    """This process' environment, without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


async def offered(dsn: str, *lines: str) -> list[list[str]]:
    """Press Tab at the end of each line; return what bash offers, sorted."""
    bash = shutil.which("bash")
    assert bash is not None
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run,
        [bash, "--norc", "-c", COMPLETE, "bash", *lines],
        env=outside() | {f"{PREFIX}SOURCE_DSN": dsn, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return [sorted(line.split()) for line in done.stdout.splitlines()]


def only(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    """Have these settings in this process, and no others."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)


async def answered(dsn: str, line: str) -> list[str]:
    """Ask as bash asks when Tab is pressed at the end of a line; return what is answered, sorted."""
    words = ["funnelproof", *line.split(" ")]
    asked = {
        "_FUNNELPROOF_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    environment = outside() | {f"{PREFIX}SOURCE_DSN": dsn} | asked
    done = await asyncio.to_thread(programs.run, [], environment, 60)
    assert done.stderr == ""
    return sorted(done.stdout.split())


@pytest.mark.thorough
async def test_commands_kinds_of_windows_and_pipelines_are_offered(town: Town) -> None:
    await town.desk.label("pipeline", town.sales, "Sales")
    sales = str(town.sales)
    assert await offered(town.dsn, f"report --pipeline {sales[:4]}") == [[sales]]
    for line, offers in (
        ("st", ["status"]),
        ("top --window ", ["day", "hour", "month", "week"]),
        ("top --pipeline ", sorted([str(town.theirs), "Sales"])),
        (f"report --pipeline {sales[:4]}", [sales]),
    ):
        assert await answered(town.dsn, line) == offers, line


async def test_a_label_that_a_shell_could_run_is_never_offered(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk: Desk = town.desk
    only(monkeypatch, SOURCE_DSN=town.dsn)
    await desk.label("pipeline", town.sales, "x")
    trap = tmp_path / "trap"
    for text in HOSTILE:
        await desk.connection.execute("update funnelproof.label set name = $1", text.format(trap))
        offers = dict(await asyncio.to_thread(completing.pipelines, ""))
        assert offers.keys() == {str(town.sales), str(town.theirs)}, text
        assert not set("".join(offers.values())) & set("\\\"'`$;*()"), text
    assert not trap.exists()


@pytest.mark.parametrize("answer", [True, False], ids=["a server that is silent", "no server"])
async def test_without_a_quick_answer_nothing_is_offered_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch, *, answer: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if answer else 1
        only(monkeypatch, SOURCE_DSN=f"postgresql://nobody@127.0.0.1:{port}/none")
        began = time.monotonic()
        assert await asyncio.to_thread(completing.tenant_ids, "") == []
        assert time.monotonic() - began < completing.SECONDS + 1


def test_with_wrong_settings_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, WINDOWS="5x")
    assert completing.windows("") == []
    assert completing.tenants("") == []
