"""The demo's options."""

from dataclasses import dataclass, replace
from pathlib import Path

_WITHOUT_TERMINAL = 60.0


@dataclass(frozen=True)
class DemoOptions:
    """The demo's options.

    `duration` is the CRM's writing time in seconds; None means until Ctrl-C. `rate` is in rows a second. Every
    choice of the simulation comes from `seed`. `live` shows the live view in place of progress lines. `data_dir`
    keeps the servers' data; None means a temporary folder that is removed at the end. `page` serves the page; `browser`
    opens the page in the user's browser, and `stay` keeps the page live after the result, until Ctrl-C.
    """

    duration: float | None = _WITHOUT_TERMINAL
    rate: float = 100.0
    seed: int = 1
    live: bool = False
    data_dir: Path | None = None
    page: bool = True
    browser: bool = False
    stay: bool = False


def as_shown(
    options: DemoOptions, *, terminal: bool, dashboard: bool, browser: bool, as_json: bool
) -> DemoOptions:
    """Return the options with what is shown in a terminal, or in a file in place of a terminal.

    `dashboard`, `browser` and `as_json` are the user's wishes. Without a terminal no browser opens, and no page stays.
    """
    return replace(
        options,
        duration=options.duration or (None if terminal else _WITHOUT_TERMINAL),
        live=terminal and dashboard,
        page=dashboard,
        browser=terminal and dashboard and browser,
        stay=terminal and dashboard and not as_json,
    )
