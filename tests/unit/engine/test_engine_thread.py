"""Work on another thread's loop, and what its cancellation means on this one."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from streams.engine.errors import GivenUpError
from streams.engine.thread import run_on


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_what_was_cancelled_over_there_does_not_end_who_waits_here(
    other_loop: asyncio.AbstractEventLoop,
) -> None:
    async def request() -> None:
        answer = asyncio.get_running_loop().create_future()
        answer.cancel()  # as a client does with its requests when the connection is lost
        await answer

    with pytest.raises(GivenUpError, match="request was cancelled"):
        await run_on(other_loop, request())


async def test_who_is_cancelled_while_it_waits_ends_and_so_does_the_work(
    other_loop: asyncio.AbstractEventLoop,
) -> None:
    began, ended = threading.Event(), threading.Event()

    async def request() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    task = asyncio.create_task(run_on(other_loop, request()))
    await asyncio.to_thread(began.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 5)


async def test_an_error_over_there_is_raised_here(other_loop: asyncio.AbstractEventLoop) -> None:
    async def request() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run_on(other_loop, request())
