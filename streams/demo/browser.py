"""The user's browser, where the demo runs in front of the user."""

import sys
import webbrowser
from collections.abc import Mapping

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def has_display(environment: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return true if a window can be shown. Without a window a browser would take the terminal over."""
    return platform == "darwin" or any(environment.get(name) for name in _DISPLAYS)


def open_in_browser(url: str) -> None:
    """Show the page in the user's browser, where the user has a browser. A browser that fails stops nothing."""
    webbrowser.open(url, new=2)
