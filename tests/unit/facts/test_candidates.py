from dataclasses import replace
from uuid import UUID, uuid4

from streams.domain.windows import Window
from streams.publish.candidates import Candidate

FIRST = Candidate(str(UUID(int=1)), str(UUID(int=2)), Window("1m", 0, 60_000_000), 1, None, "close")


def test_a_run_has_the_same_id_whoever_publishes_it() -> None:
    assert FIRST.run_id == UUID("afaa27c8-0170-509a-b8b9-3ed2eedfd80d")
    assert replace(FIRST, previous_run_id=uuid4(), purpose="counts").run_id == FIRST.run_id


def test_no_two_runs_have_the_same_id() -> None:
    others = [
        replace(FIRST, tenant_id=str(UUID(int=3))),
        replace(FIRST, pipeline_id=str(UUID(int=3))),
        replace(FIRST, window=Window("60s", 0, 60_000_000)),
        replace(FIRST, window=Window("1m", 0, 30_000_000)),
        replace(FIRST, window=Window("1m", 60_000_000, 120_000_000)),
        replace(FIRST, revision=2),
    ]
    assert len({FIRST.run_id, *(other.run_id for other in others)}) == 1 + len(others)
