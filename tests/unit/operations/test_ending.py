"""What an operator is told when a worker stops."""

import asyncio
from datetime import timedelta

import pytest
from aiokafka.errors import InvalidSessionTimeoutError

from streams.engine import CorruptRecordsError, PositionError
from streams.operations import ending
from streams.operations.ending import explain
from streams.settings import Settings

SETTINGS = Settings(session_timeout=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (InvalidSessionTimeoutError(), "FUNNELPROOF_SESSION_TIMEOUT is 1 s, which the broker does not allow"),
        (
            PositionError("crm[0] has the offsets 0 to 1, not 2"),
            "crm[0] has the offsets 0 to 1, not 2. Records that were deleted do not come back: `funnelproof",
        ),
        (
            CorruptRecordsError("crm[0]: restore the partition from another replica"),
            "restore the partition from another replica; where there is none, `funnelproof connector delete",
        ),
    ],
)
async def test_the_engines_errors_are_told_with_what_to_do(reason: Exception, told: str) -> None:
    assert told in str(await explain(reason, SETTINGS, None))


async def test_a_loop_whose_request_was_cancelled_begins_again_and_one_that_was_cancelled_itself_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "AGAIN_SECONDS", 0.0)
    begun = 0

    async def loop() -> None:
        nonlocal begun
        begun += 1
        request: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if begun <= 2:
            request.cancel()  # as a library that lost its server does
        await request

    task = asyncio.create_task(ending.keep_going(loop))
    async with asyncio.timeout(5):
        while begun < 3:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert (begun, task.done()) == (3, False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun == 3


async def test_what_a_loop_raises_is_told() -> None:
    async def loop() -> None:
        raise ValueError("no longer")

    with pytest.raises(ValueError, match="no longer"):
        await ending.keep_going(loop)


async def test_an_error_that_says_enough_is_told_as_it_is() -> None:
    reason = OSError("no room")
    assert await explain(reason, SETTINGS, None) is reason
