"""What every measure is given, and what it returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.servers import Servers


@dataclass(frozen=True)
class Setting:
    """Where a measure runs and for how long."""

    servers: Servers
    folder: Path
    limit: float  # seconds a run over the common work may take
    seconds: float  # for measures that look for a while
    console: Console


@dataclass(frozen=True)
class Finding:
    """A measure's rows, all with the same keys, and what a reader must know of them."""

    title: str
    note: str
    rows: Sequence[Mapping[str, object]]
