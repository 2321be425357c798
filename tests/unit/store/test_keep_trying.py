"""Loops that outlive errors which pass, and no others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from streams.store.keep_trying import Trouble, keep_trying, try_until_done


@asynccontextmanager
async def running(loop: Awaitable[None]) -> AsyncIterator["asyncio.Future[None]"]:
    task = asyncio.ensure_future(loop)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)


async def test_a_loop_whose_request_was_cancelled_goes_on_and_one_that_was_cancelled_itself_ends() -> None:
    begun = 0

    async def body() -> None:
        nonlocal begun
        begun += 1
        request: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if begun <= 2:
            request.cancel()  # as a library that lost its server does
        await request

    async with running(keep_trying(body, Trouble("nothing comes"), 0.0)) as task:
        await soon(lambda: begun == 3)
        await asyncio.sleep(0.05)
        assert (begun, task.done()) == (3, False)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert begun == 3


async def test_a_trouble_is_told_once_for_as_long_as_it_lasts_and_again_when_it_comes_back() -> None:
    outcomes = ["refused", "refused", "full", None, "full"]
    trouble = Trouble("nothing can be written")

    async def body() -> None:
        if not outcomes:
            await asyncio.Event().wait()
        if why := outcomes.pop(0):
            raise OSError(why)

    with capture_logs() as lines:
        async with running(keep_trying(body, trouble, 0.0)):
            await soon(lambda: not outcomes)
    assert [line["error"] for line in lines] == ["refused", "full", "full"]
    assert {(line["log_level"], line["event"]) for line in lines} == {
        ("warning", "nothing can be written; trying again")
    }
    assert trouble.why == "full"


async def test_nothing_is_tried_while_the_loop_is_not_active() -> None:
    active, idled, tried = False, 0, 0
    trouble = Trouble("nothing can be written")
    trouble.tell(OSError("refused"))

    async def body() -> None:
        nonlocal tried
        tried += 1

    def idle() -> None:
        nonlocal idled
        idled += 1

    loop = keep_trying(body, trouble, 0.0, is_active=lambda: active, on_idle=idle)
    async with running(loop):
        await soon(lambda: idled > 2)
        assert (tried, trouble.why) == (0, None)
        active = True
        await soon(lambda: tried > 2)


async def test_pauses_grow_with_failures_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter([False, False, False, True, False])
    pauses: list[float] = []

    async def body() -> None:
        if not next(outcomes):
            raise OSError

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(RuntimeError):  # there are no more outcomes
        await keep_trying(body, Trouble("nothing can be written"), 0.2, delays=(1.0, 5.0))
    assert pauses == [1.0, 5.0, 5.0, 0.2, 1.0]


async def test_what_has_to_be_done_once_is_tried_until_it_is_done() -> None:
    left, trouble = 2, Trouble("nothing can be taken over")

    async def body() -> int:
        nonlocal left
        if left:
            left -= 1
            raise TimeoutError
        return 7

    assert await try_until_done(body, trouble, 0.0) == 7
    assert trouble.why is None
    with pytest.raises(ZeroDivisionError):
        await try_until_done(lambda: asyncio.sleep(1 // left), trouble, 0.0)
