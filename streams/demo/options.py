"""What the demo can be told."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DemoOptions:
    """How long to write (None: until interrupted), how many rows a second, the seed of every choice.

    `data_dir` keeps the servers' data; without it everything goes into a temporary folder that is removed.
    """

    duration: float | None = 60.0
    rate: float = 100.0
    seed: int = 1
    live: bool = False
    data_dir: Path | None = None
