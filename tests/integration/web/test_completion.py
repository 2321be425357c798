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


async def offered(dsn: str, *lines: str) -> list[list[str]]:
    """Press Tab at the end of each line; return what bash offers, sorted."""
    bash = shutil.which("bash")
    assert bash is not None
    outside = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
    path = f"{Path(sys.executable).parent}:{outside['PATH']}"
    done = await asyncio.to_thread(
        subprocess.run,
        [bash, "--norc", "-c", COMPLETE, "bash", *lines],
        env=outside | {f"{PREFIX}SOURCE_DSN": dsn, "PATH": path},
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


@pytest.mark.thorough
async def test_commands_kinds_of_windows_and_pipelines_are_offered(town: Town) -> None:
    await town.desk.label("pipeline", town.sales, "Sales")
    sales = str(town.sales)
    found = await offered(
        town.dsn, "st", "top --window ", "top --pipeline ", f"report --pipeline {sales[:4]}"
    )
    assert found == [
        ["status"],
        ["day", "hour", "month", "week"],
        sorted([str(town.theirs), "Sales"]),
        [sales],
    ]


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
