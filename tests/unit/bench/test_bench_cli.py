import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "ours,storm"], "storm is none of ours, ours-interpreted, loop"),
        (["--measure", "speed"], "speed is none of kinds, workers"),
        (["--events", "1"], "--events"),
    ],
)
def test_wrong_use_is_explained_before_anything_starts(options: list[str], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *options], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert not done.stdout
