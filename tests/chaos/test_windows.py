"""A short slice of the many windows of `make chaos`, for `make check`; and that a broken promise is found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.chaos.change_log import Event, Log
from tests.chaos.crm import Transaction
from tests.chaos.promises import Run, Snapshot, overlooked, uncovered
from tests.chaos.windows import HABITS, keep_promises
from tests.servers import Servers

END = datetime(2026, 11, 25, tzinfo=UTC)
KEY, ROW = ("deal", "row"), ("tenant", "pipeline", "stage", "2026-11-25T00:00:00Z")
#              offset  xid     the second partition's events, written in this order by two transactions
EVENTS = [Event(0, 11, KEY, ROW), Event(1, 10, KEY, ROW), Event(3, 12, KEY, None)]
LOG = Log([[], EVENTS], [0, 5])


@pytest.mark.thorough
@pytest.mark.timeout(240)
async def test_every_revision_under_writes_equals_the_log_at_its_positions_and_covers_what_its_marker_showed(
    servers: Servers, template: str, tmp_path: Path
) -> None:
    few = ("clerk 0", "clerk 1", "importer 0", "importer 1", *(f"dawdler {number}" for number in range(4)))
    habits = {name: HABITS[name] for name in few}
    kept = await keep_promises(servers, template, tmp_path, "20261125", 40, rows_a_second=75, habits=habits)
    assert kept.figures.revisions


def run(snapshot: str, position: int = 0, revision: int = 1, completeness: str = "proven") -> Run:
    nobody = UUID(int=0)
    return Run(
        *(nobody, nobody, nobody, END - timedelta(seconds=2), END, "2s", revision, (), completeness, "[]"),
        *((0, position), snapshot, END, {}),
    )


def test_a_snapshot_shows_what_had_ended_before_it() -> None:
    snapshot = Snapshot("10:14:10,12")
    assert [xid for xid in range(8, 16) if snapshot.shows(xid)] == [8, 9, 11, 13]
    assert Snapshot("10:10:").shows(9)
    assert not Snapshot("10:10:").shows(10)


def test_an_event_that_a_marker_showed_must_lie_below_its_runs_positions() -> None:
    covered = [run("10:12:10", 1), run("12:12:", 2), run("12:13:12", 2), run("13:13:", 4), run("13:13:", 9)]
    broken = [run("10:12:10", 0), run("12:12:", 1), run("13:13:", 3), run("13:13:", 2, revision=2)]
    assert len(uncovered(LOG, [*covered, *broken])) == len(broken)
    assert not uncovered(LOG, covered)


def test_what_had_written_by_a_windows_end_must_have_ended_before_its_marker() -> None:
    before = Transaction(committed=True, xid=11, wrote_at=END - timedelta(microseconds=1))
    others = [
        Transaction(committed=True, xid=10, wrote_at=END),
        Transaction(committed=False, xid=10, wrote_at=END - timedelta(seconds=1)),
        Transaction(committed=True),
    ]
    assert not overlooked([before, *others], [run("10:12:10")])
    assert len(overlooked([before, *others], [run("10:12:11")])) == 1
    assert not overlooked([before], [run("10:12:11", revision=2), run("10:12:11", completeness="estimated")])
