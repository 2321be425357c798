from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.fold.owned import OwnedPartition
from streams.operations.replay import Replay, ReplayLine

PLAN = plan_for(("hour",), "UTC")


def partition(position: int, end: int, *, active: bool = False) -> OwnedPartition:
    state = PartitionState(PLAN, Vocabulary())
    state.position = position
    return OwnedPartition(state, end, 0, 0, None if active else {}, 0.0)


def test_a_replay_is_told_every_few_seconds_with_rate_and_time_left() -> None:
    replay, one, other = Replay(), partition(0, 600), partition(100, 500)
    assert replay.look([one, other], 10.0) is None
    one.state.position = 300
    assert replay.look([one, other], 14.0) is None
    assert replay.look([one, other], 15.0) == ReplayLine(
        "replaying", {"partitions": 2, "records": 300, "of": 1000, "per_second": 60, "seconds_left": 12}
    )
    assert replay.look([one, other], 16.0) is None


def test_the_end_of_a_replay_is_told_once() -> None:
    replay = Replay()
    replay.look([partition(0, 600)], 10.0)
    caught_up = partition(600, 600, active=True)
    assert replay.look([caught_up], 12.5) == ReplayLine("caught up", {"records": 600, "seconds": 2.5})
    assert replay.look([caught_up], 20.0) is None


def test_a_replay_that_stands_has_no_time_left() -> None:
    replay, one = Replay(), partition(0, 600)
    replay.look([one], 10.0)
    line = replay.look([one], 15.0)
    assert line is not None
    assert line.values == {"partitions": 1, "records": 0, "of": 600, "per_second": 0}


def test_a_takeover_during_a_replay_begins_the_figures_anew() -> None:
    replay, one, other = Replay(), partition(0, 600), partition(0, 400)
    replay.look([one], 10.0)
    one.state.position = 500
    assert replay.look([one, other], 20.0) is None
    one.state.position = 600
    line = replay.look([one, other], 30.0)
    assert line is not None
    assert line.values["of"] == 500
    assert line.values["per_second"] == 10
