"""Which log continues a state, and which topic keeps all rows."""

from contextlib import AbstractContextManager, nullcontext

import pytest

from streams.cdc.folded import RecordsLostError, require_counted, require_records
from streams.cdc.topics import Topic
from streams.errors import PreconditionError
from streams.running import check_retention

FINE: AbstractContextManager[object] = nullcontext()


def refused(because: str) -> AbstractContextManager[object]:
    return pytest.raises(RecordsLostError, match=because)


@pytest.mark.parametrize(
    ("position", "start", "end", "outcome"),
    [
        (0, 0, 0, FINE),
        (0, 0, 9, FINE),
        (5, 5, 9, FINE),
        (7, 5, 9, FINE),
        (9, 9, 9, FINE),
        (0, 1, 9, refused("partition 3 of deals begins at 1: .* a state up to 0 only. .*STATE_DIR")),
        (4, 5, 9, refused("partition 3 of deals begins at 5: .* a state up to 4 only. .*rebuild")),
        (9, 0, 8, refused("partition 3 of deals ends at 8, before the 9 already read: Kafka has lost")),
    ],
)
def test_a_state_goes_on_only_with_a_log_that_has_every_record_from_there(
    position: int, start: int, end: int, outcome: AbstractContextManager[object]
) -> None:
    with outcome:
        require_records("deals", 3, position, start, end)


@pytest.mark.parametrize(
    ("counted", "outcome"), [(None, FINE), (8, FINE), (9, refused("before the 9 already"))]
)
def test_a_log_that_ends_before_what_was_counted_is_not_counted_anew(
    counted: int | None, outcome: AbstractContextManager[object]
) -> None:
    with outcome:
        require_counted("deals", 3, counted, 8)


def test_the_reason_that_is_kept_as_a_doubt_has_no_remedy_in_it() -> None:
    with pytest.raises(RecordsLostError) as error:
        require_records("deals", 3, 4, 5, 9)
    assert "FUNNELPROOF" in str(error.value)
    assert "FUNNELPROOF" not in error.value.reason
    assert error.value.doubt == "log"
    with pytest.raises(RecordsLostError) as error:
        require_records("deals", 3, 10, 5, 9)
    assert error.value.doubt == "log_end"


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("compact", None),
        ("delete", "topic deals has cleanup.policy=delete: Kafka deletes its oldest records. Give the topic"),
        ("compact,delete", "topic deals has cleanup.policy=compact,delete: Kafka deletes its oldest records"),
    ],
)
def test_a_worker_starts_only_on_a_topic_that_keeps_all_rows(policy: str, problem: str | None) -> None:
    topic = Topic("deals", "id", 1, {"cleanup.policy": policy, "min.compaction.lag.ms": "21600000"})
    if problem is None:
        check_retention(topic)
    else:
        with pytest.raises(PreconditionError, match=problem):
            check_retention(topic)
