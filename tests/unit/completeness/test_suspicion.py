"""A slot that stands elsewhere though nobody read the slot: moved by somebody, or read between two looks."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from streams.completeness.suspicion import Suspicion
from streams.errors import UnreachableError

BEFORE, NOW = 200, 300


def answering(*answers: int | Exception | None) -> Callable[[], Awaitable[int | None]]:
    """Connect, as it answers one question after the other."""
    left = list(answers)

    async def ask() -> int | None:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("noted", "verdict"), [(NOW, "read"), (900, "read"), (NOW - 1, "moved"), (None, "moved")]
)
async def test_connect_s_note_tells_a_reader_from_somebody_who_moved_the_slot(
    noted: int | None, verdict: str
) -> None:
    suspicion = Suspicion(BEFORE, NOW, answering(noted))
    assert suspicion.verdict(NOW) == "open"
    await settled()
    assert suspicion.verdict(NOW) == verdict
    await suspicion.end()


@pytest.mark.parametrize("unread_at", [None, 400, BEFORE])
async def test_a_slot_that_is_read_or_stands_elsewhere_before_the_answer_was_moved(
    unread_at: int | None,
) -> None:
    suspicion = Suspicion(BEFORE, NOW, answering(900))
    await settled()
    assert suspicion.verdict(unread_at) == "moved"
    await suspicion.end()


async def test_connect_is_asked_until_connect_answers() -> None:
    suspicion = Suspicion(BEFORE, NOW, answering(UnreachableError("away"), UnreachableError("away"), 900))
    for _ in range(2):
        await settled()
        assert suspicion.verdict(NOW) == "open"
    await settled()
    assert suspicion.verdict(NOW) == "read"
    await suspicion.end()


async def test_a_suspicion_outlives_a_session_of_the_watch() -> None:
    suspicion = Suspicion(BEFORE, NOW, answering(900))
    await suspicion.end()
    assert suspicion.verdict(NOW) == "open"
    await settled()
    assert suspicion.verdict(NOW) == "read"
    await suspicion.end()
