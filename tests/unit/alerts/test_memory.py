"""The memory of a watch, in parts."""

from collections import deque
from uuid import uuid4

import numpy as np
import pytest

from streams.alerts.evaluation import memory
from streams.alerts.scope import Stream
from streams.domain.change import Scope
from streams.domain.detection.snapshot import SnapshotError


def streams(count: int, to_stage: str | None = None) -> list[Stream]:
    return [Stream(Scope(str(uuid4()), str(uuid4())), str(uuid4()), to_stage) for _ in range(count)]


@pytest.mark.parametrize("of_stages", [False, True])
@pytest.mark.parametrize("part", [1, 5_000, 10**9])
def test_a_memory_that_was_cut_into_parts_is_whole_again(
    monkeypatch: pytest.MonkeyPatch, part: int, *, of_stages: bool
) -> None:
    monkeypatch.setattr(memory, "PART", part)
    some = streams(300, None if of_stages else str(uuid4()))
    detector = [np.random.default_rng(number).bytes(30_000) for number in range(20)]
    parts = deque(memory.remember(some, detector))
    assert len(parts) >= 3 or part > 5_000
    found, file = memory.recall(parts, of_stages)
    assert found == some
    assert file.read() == b"".join(detector)
    assert not parts


def test_bytes_that_are_no_memory_are_refused() -> None:
    for nonsense in (b"", b"\0\0\0\1", b"\0\0\0\0nonsense"):
        with pytest.raises(SnapshotError):
            memory.recall(deque([nonsense]), of_stages=False)
