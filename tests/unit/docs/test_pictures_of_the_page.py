"""The pictures of the page: one of every state, small, each on the page that shows the states."""

import re

from tests.integration.web.gallery import STATES, pictures_of
from tests.unit.docs.pages import DOCS

FOLDER = DOCS / "pictures" / "page"
MOST_BYTES = 100_000


def test_every_state_has_its_pictures_and_there_are_no_others() -> None:
    wanted = {picture for state in STATES for picture in pictures_of(state)}
    assert {file.name for file in FOLDER.glob("*.webp")} == wanted
    assert max(file.stat().st_size for file in FOLDER.glob("*.webp")) < MOST_BYTES


def test_every_picture_is_shown_with_what_the_picture_shows() -> None:
    text = (DOCS / "states-of-the-page.md").read_text()
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/page/([^)]+)\)", text)
    assert [name for _, name in shown] == [picture for state in STATES for picture in pictures_of(state)]
    for state in STATES:
        assert {caption for caption, name in shown if name.startswith(f"{state.name}-light")} == {
            state.caption
        }
