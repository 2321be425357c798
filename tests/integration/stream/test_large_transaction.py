"""One transaction with more rows than are decoded and folded in a window's time."""

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.soundness import closed_with_all, enter_many, everything_is_right

pytestmark = pytest.mark.thorough


async def test_a_window_waits_for_a_slot_that_lags_behind_a_large_transaction(
    installation: Installation,
) -> None:
    """Decoding and folding it takes longer than the window lasts."""
    quiet = Funnel()
    await quiet.create(installation.connection)
    await installation.proven()
    start = await installation.next_window()
    await enter_many(installation, quiet, start, 30_000)
    await closed_with_all(installation, quiet, start, 30_000)
    await everything_is_right(installation)
