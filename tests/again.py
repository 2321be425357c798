"""Runs the tests that have just failed once more, without others beside them: `python -m tests.again`, after a run.

A test that waits for other processes may fail for want of a core while others run. Both results stay in the output, and
a test that fails alone too, or many that fail, are a failure.
"""

import json
import sys
from pathlib import Path

import pytest

FEW = 5
"""More failures than that are no matter of chance."""
_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def plain(node: str) -> str:
    """Return a test's id without the group that pytest-xdist appends: `test_x.py::test_y[a@b]@group`."""
    before, _, group = node.rpartition("@")
    return before if before and "]" not in group else node


def main() -> int:
    failed = [plain(node) for node in json.loads(_FAILED.read_text("utf-8"))] if _FAILED.exists() else []
    if not 0 < len(failed) <= FEW:
        return 1
    print(f"{len(failed)} failed beside other tests; alone:", flush=True)  # noqa: T201 - for the reader of CI's output
    return int(pytest.main(["--hypothesis-profile", "deep", *failed]))


if __name__ == "__main__":
    sys.exit(main())
