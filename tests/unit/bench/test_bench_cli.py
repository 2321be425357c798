import subprocess
import sys

import pytest

from bench.cli import main

WRONG = [
    (["--only", "ours,storm"], "storm is none of ours, ours-interpreted, loop"),
    (["--measure", "speed"], "speed is none of kinds, workers"),
    (["--events", "1"], "--events"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_wrong_use_is_explained_before_anything_starts(
    options: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(*_: object) -> None:
        pytest.fail("something starts")

    monkeypatch.setattr("bench.cli.run", start)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the signals of this process stay as they are
    monkeypatch.setattr(sys, "argv", ["bench", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert words in told.err
    assert not told.out


def test_the_benchmark_is_a_program() -> None:
    options, words = WRONG[0]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *options], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, words in done.stderr, done.stdout) == (2, True, "")
