"""The demo's options."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DemoOptions:
    """The demo's options.

    `duration` is the CRM's writing time in seconds; None means until Ctrl-C. `rate` is in rows a second. Every
    choice of the simulation comes from `seed`. `live` shows the live view in place of progress lines. `data_dir`
    keeps the servers' data; None means a temporary folder that is removed at the end. `page` serves the page; `browser`
    opens the page in the user's browser, and `stay` keeps the page live after the result, until Ctrl-C.
    """

    duration: float | None = 60.0
    rate: float = 100.0
    seed: int = 1
    live: bool = False
    data_dir: Path | None = None
    page: bool = True
    browser: bool = False
    stay: bool = False
