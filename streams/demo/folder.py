"""The demo's temporary data folder: gone when the demo is, at the latest when the next demo starts."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from streams.local.stack import LocalStack

_PREFIX = "funnelproof-demo-"
_OWNER = "owner.lock"
"""Locked while the owner lives; a folder without it was not made here."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Have an empty folder inside a `with` block; those of owners that were killed are removed before."""
    remove_orphans(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (folder / "unlocked").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "unlocked").rename(folder / _OWNER)  # so that nobody ever sees it without its lock
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_orphans(parent: Path) -> None:
    """Remove this user's folders in `parent` whose owners are dead and whose servers have ended."""
    for lock in parent.glob(f"{_PREFIX}*/{_OWNER}"):
        with suppress(OSError):  # its owner lives, or another demo is removing it
            if lock.parent.lstat().st_uid == os.geteuid():
                _remove_unless_in_use(lock)


def _remove_unless_in_use(lock: Path) -> None:
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stack = LocalStack(lock.parent, console=Console(quiet=True))
        if not any(server.pid for server in stack.servers):
            stack.erase()
            shutil.rmtree(lock.parent, ignore_errors=True)
