from datetime import timedelta
from pathlib import Path

from streams.settings import PREFIX, Settings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def shown(default: object) -> str:
    """Write a default the way a user would set it."""
    if default in (None, {}, ()):
        return ""
    if isinstance(default, timedelta):
        milliseconds = default // timedelta(milliseconds=1)
        for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
            if milliseconds % size == 0 and milliseconds >= (size if unit != "m" else 5 * size):
                return f"`{milliseconds // size}{unit}`"
        return f"`{milliseconds}ms`" if milliseconds else "`0s`"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{default}`"


def test_the_settings_page_has_every_setting_with_its_default_and_meaning() -> None:
    rows = [
        f"| `{PREFIX}{name.upper()}` | {shown(setting.default)} | {setting.description} |"
        for name, setting in Settings.model_fields.items()
    ]
    page = PAGE.read_text("utf-8").splitlines()
    assert [row for row in rows if row not in page] == []
