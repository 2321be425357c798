import os
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain.change import Scope
from streams.domain.codes import Vocabulary
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.errors import PreconditionError
from streams.fold.checkpoint import Checkpoint, Checkpoints, prepare_folder
from tests.fakes.changes import Changes, StageEntry

EPOCH = UUID(int=1)
PLAN = plan_for(("1m", "day"), "Europe/Berlin")
SCOPES = [Scope("t1", "p1"), Scope("t1", "p2")]
ENTRY = StageEntry(SCOPES[0], "A", 10)

entries = st.builds(StageEntry, st.sampled_from(SCOPES), st.sampled_from("ABC"), st.integers(0, 10**9))
writes = st.lists(
    st.tuples(st.sampled_from(["d1", "d2"]), st.integers(0, 3), entries | st.none()), max_size=20
)


def folded(changes: Changes, log: list[tuple[str, int, StageEntry | None]], start: int = 0) -> PartitionState:
    state = PartitionState(PLAN, changes.vocabulary)
    for lsn, (deal, row, entry) in enumerate(log, start=start + 1):
        state.apply(changes.make(deal, f"{deal} {row}", entry, lsn))
    state.position = start + len(log)
    return state


def resumed(checkpoints: Checkpoints, vocabulary: Vocabulary) -> PartitionState:
    checkpoint = checkpoints.read(3)
    assert checkpoint is not None
    state = PartitionState(PLAN, vocabulary)
    state.restore(checkpoint.snapshot)
    return state


def written(folder: Path, epoch: UUID = EPOCH) -> Checkpoints:
    checkpoints = Checkpoints(folder, epoch)
    state = folded(Changes(), [("d1", 1, ENTRY)])
    assert checkpoints.write(3, Checkpoint(state.snapshot(), frozenset({b"key"})))
    return checkpoints


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=writes, after=writes, met_before=st.permutations(["C", "B", "A"]))
def test_a_worker_that_resumes_goes_on_as_if_it_had_never_stopped(
    tmp_path: Path,
    before: list[tuple[str, int, StageEntry | None]],
    after: list[tuple[str, int, StageEntry | None]],
    met_before: list[str],
) -> None:
    """Also where it has met other stages first, so that their codes are others."""
    checkpoints = Checkpoints(tmp_path, EPOCH)
    checkpoints.write(3, Checkpoint(folded(Changes(), before).snapshot(), frozenset()))
    changes = Changes()
    changes.vocabulary.scopes.code(SCOPES[1])
    for stage in met_before:
        changes.vocabulary.stages.code(stage)
    state = resumed(checkpoints, changes.vocabulary)
    assert state.position == len(before)
    for lsn, (deal, row, entry) in enumerate(after, start=len(before) + 1):
        state.apply(changes.make(deal, f"{deal} {row}", entry, lsn))
    assert state.profiles() == folded(Changes(), before + after).profiles()


def test_a_snapshot_shares_nothing_that_later_changes(tmp_path: Path) -> None:
    changes = Changes()
    state = folded(changes, [("d1", 1, ENTRY)])
    snapshot = state.snapshot()
    state.apply(changes.make("d1", "another", ENTRY._replace(stage_id="B", at=20), 9))
    checkpoints = Checkpoints(tmp_path, EPOCH)
    checkpoints.write(3, Checkpoint(snapshot, frozenset()))
    assert resumed(checkpoints, Vocabulary()).profiles() == folded(Changes(), [("d1", 1, ENTRY)]).profiles()


def test_keys_whose_last_event_was_bad_are_remembered(tmp_path: Path) -> None:
    checkpoint = written(tmp_path).read(3)
    assert checkpoint is not None
    assert checkpoint.poisoned == {b"key"}


def test_where_there_is_none_the_log_is_replayed(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, EPOCH).read(3) is None


@pytest.mark.parametrize("cut", [0, 1, 30, 100, -1, -17])
def test_a_torn_checkpoint_is_not_used(tmp_path: Path, cut: int) -> None:
    checkpoints = written(tmp_path)
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:cut])
    with structlog.testing.capture_logs() as logs:
        assert checkpoints.read(3) is None
    assert logs[0]["event"] == "checkpoint not used; replaying the log instead"


def test_a_checkpoint_with_one_wrong_bit_is_not_used(tmp_path: Path) -> None:
    checkpoints = written(tmp_path)
    path = next(tmp_path.iterdir())
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert checkpoints.read(3) is None


def test_a_checkpoint_of_another_epoch_or_partition_is_not_used(tmp_path: Path) -> None:
    written(tmp_path, UUID(int=2))
    with structlog.testing.capture_logs() as logs:
        assert Checkpoints(tmp_path, EPOCH).read(3) is None
        mine = written(tmp_path)
        next(tmp_path.iterdir()).rename(tmp_path / "partition-4.checkpoint")
        assert mine.read(4) is None
    assert [log["log_level"] for log in logs] == ["warning"] * 2
    assert all("it is of another topic" in log["reason"] for log in logs)


def test_a_checkpoint_of_another_format_is_not_used(tmp_path: Path) -> None:
    """Though it is whole: only its first line tells."""
    checkpoints = written(tmp_path)
    path = next(tmp_path.iterdir())
    content = path.read_bytes()[:-16].replace(b"checkpoint 2\n", b"checkpoint 1\n", 1)
    path.write_bytes(content + blake2b(content, digest_size=16).digest())
    with structlog.testing.capture_logs() as logs:
        assert checkpoints.read(3) is None
    assert [(log["log_level"], log["reason"]) for log in logs] == [("warning", "it has another format")]


def test_a_checkpoint_takes_the_place_of_the_former_one_when_all_of_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = written(tmp_path)
    path = next(tmp_path.iterdir())
    former = path.read_bytes()
    synced: list[int] = []
    sync = os.fsync

    def watched(file: int) -> None:
        assert path.read_bytes() == former
        synced.append(os.fstat(file).st_size)
        sync(file)

    monkeypatch.setattr(os, "fsync", watched)
    state = folded(Changes(), [("d1", 1, ENTRY), ("d2", 1, ENTRY)])
    assert checkpoints.write(3, Checkpoint(state.snapshot(), frozenset()))
    assert synced == [path.stat().st_size]
    assert path.stat().st_size > len(former)


def test_what_a_killed_worker_left_unfinished_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    for name in ("partition-3.4711", "partition-30.4711"):
        (tmp_path / name).write_bytes(b"half of a checkpo")
    written(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"partition-3.checkpoint", "partition-30.4711"}


def test_a_folder_that_cannot_be_written_is_named_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PreconditionError, match="FUNNELPROOF_STATE_DIR"):
        prepare_folder(tmp_path / "file" / "checkpoints")


def test_a_checkpoint_that_cannot_be_written_is_a_warning_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    state = folded(Changes(), [("d1", 1, ENTRY)])
    with structlog.testing.capture_logs() as logs:
        assert not Checkpoints(tmp_path / "file" / "folder", EPOCH).write(
            3, Checkpoint(state.snapshot(), frozenset())
        )
    assert logs[0]["log_level"] == "warning"
    (tmp_path / "partition-3.checkpoint").mkdir()
    assert not Checkpoints(tmp_path, EPOCH).write(3, Checkpoint(state.snapshot(), frozenset()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "partition-3.checkpoint"]
