import pytest

from streams.demo.browser import has_display


@pytest.mark.parametrize(
    ("environment", "platform", "shows"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False),
        ({}, "linux", False),
        ({}, "darwin", True),
    ],
)
def test_a_browser_opens_where_a_window_can_be_shown(
    environment: dict[str, str], platform: str, shows: bool
) -> None:
    assert has_display(environment, platform) == shows
