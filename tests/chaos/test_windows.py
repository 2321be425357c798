"""A short slice of the many windows of `make chaos`, for `make test`."""

from pathlib import Path

import pytest

from tests.chaos.promises import Snapshot
from tests.chaos.windows import keep_promises
from tests.servers import Servers

pytestmark = pytest.mark.timeout(240)


async def test_every_revision_under_writes_equals_the_log_at_its_positions_and_covers_what_its_marker_showed(
    servers: Servers, template: str, tmp_path: Path
) -> None:
    kept = await keep_promises(servers, template, tmp_path, "20261125", windows=20)
    assert kept.figures.revisions


def test_a_snapshot_shows_what_had_ended_before_it() -> None:
    snapshot = Snapshot("10:14:10,12")
    assert [xid for xid in range(8, 16) if snapshot.shows(xid)] == [8, 9, 11, 13]
    assert Snapshot("10:10:").shows(9)
    assert not Snapshot("10:10:").shows(10)
