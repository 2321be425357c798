"""The way a demo is shown: in a terminal or not, with the page or without."""

import pytest

from streams.demo.options import DemoOptions, as_shown


def shown(
    *, terminal: bool, dashboard: bool = True, browser: bool = True, as_json: bool = False
) -> DemoOptions:
    """The options of a user who has chosen no duration."""
    return as_shown(
        DemoOptions(None), terminal=terminal, dashboard=dashboard, browser=browser, as_json=as_json
    )


def test_in_a_terminal_a_demo_writes_until_ctrl_c_opens_the_page_and_stays() -> None:
    assert shown(terminal=True) == DemoOptions(None, live=True, page=True, browser=True, stay=True)


def test_without_a_terminal_a_demo_ends_after_a_minute_and_opens_no_browser() -> None:
    assert shown(terminal=False) == DemoOptions(60.0, page=True)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_demo_without_dashboard_has_no_page_and_ends_with_the_result(*, terminal: bool) -> None:
    found = shown(terminal=terminal, dashboard=False)
    assert (found.live, found.page, found.browser, found.stay) == (False, False, False, False)


def test_a_demo_that_prints_json_ends_with_the_result() -> None:
    assert not shown(terminal=True, as_json=True).stay


def test_a_chosen_duration_and_a_user_who_wants_no_browser_are_heard() -> None:
    found = as_shown(DemoOptions(5.0), terminal=True, dashboard=True, browser=False, as_json=False)
    assert (found.duration, found.browser, found.stay) == (5.0, False, True)
