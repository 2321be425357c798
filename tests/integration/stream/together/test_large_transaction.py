"""One transaction with more rows than are decoded and folded until its window ends."""

import asyncio
from datetime import timedelta

import pytest

from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.soundness import closed_with_all, enter_many, everything_is_right

pytestmark = pytest.mark.thorough


async def test_a_window_waits_for_a_slot_that_lags_behind_a_large_transaction(
    installation: Installation, funnel: Funnel
) -> None:
    """The commit comes shortly before the window's end; decoding and folding it takes longer."""
    connection = installation.connection
    start = await installation.next_window()
    async with connection.transaction():
        await enter_many(installation, funnel, start, 10_000)
        await asyncio.sleep((start + timedelta(seconds=2.7) - await installation.now()).total_seconds())
    assert await installation.now() < start + timedelta(seconds=3)
    await closed_with_all(installation, funnel, start, 10_000)
    await everything_is_right(installation, funnel.tenant)
