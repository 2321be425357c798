"""What is shown of a deal is what the windows count."""

from uuid import UUID

from streams.domain.change import Scope
from streams.domain.deal_view import EntryView, RowView, view_deal
from streams.domain.partition import PartitionState
from streams.domain.plan import plan_for
from streams.domain.windows import Window
from tests.fakes.changes import Changes, StageEntry, sixteen

MINUTE = 60_000_000
SALES, SERVICE = Scope("t1", "sales"), Scope("t1", "service")
PLAN = plan_for(("1m", "5m"), "UTC")


def test_a_deal_shows_all_rows_and_the_first_entry_of_each_stage_by_window() -> None:
    changes = Changes()
    state = PartitionState(PLAN, changes.vocabulary)
    log = [
        ("later b", StageEntry(SALES, "b", 2 * MINUTE), None),
        ("a again", StageEntry(SALES, "a", 50), 7),
        ("a", StageEntry(SALES, "a", 20), 8),
        ("b", StageEntry(SALES, "b", 10), 9),
        ("gone", StageEntry(SALES, "c", 5), 10),
        ("gone", None, 11),
        ("service", StageEntry(SERVICE, "x", 30), 12),
    ]
    for row, entry, lsn in log:
        state.apply(changes.make("deal", row, entry, lsn))
    state.apply(changes.make("another deal", "z", StageEntry(SALES, "a", 1), 13))

    view = view_deal(state.deals[sixteen("deal")], PLAN, changes.vocabulary)
    ids = {row: UUID(bytes=sixteen(row)) for row, _, _ in log}
    assert view.rows == (
        RowView(ids["later b"], 0, EntryView(SALES, "b", 2 * MINUTE)),
        RowView(ids["a again"], 7, EntryView(SALES, "a", 50)),
        RowView(ids["a"], 8, EntryView(SALES, "a", 20)),
        RowView(ids["b"], 9, EntryView(SALES, "b", 10)),
        RowView(ids["gone"], 11, None),
        RowView(ids["service"], 12, EntryView(SERVICE, "x", 30)),
    )
    assert view.windows == (
        ((SALES, Window("1m", 0, MINUTE)), (("b", 10), ("a", 20))),
        ((SALES, Window("1m", 2 * MINUTE, 3 * MINUTE)), (("b", 2 * MINUTE),)),
        ((SALES, Window("5m", 0, 5 * MINUTE)), (("b", 10), ("a", 20))),
        ((SERVICE, Window("1m", 0, MINUTE)), (("x", 30),)),
        ((SERVICE, Window("5m", 0, 5 * MINUTE)), (("x", 30),)),
    )


def test_of_a_deal_that_was_deleted_before_anything_else_was_known_the_rows_are_shown() -> None:
    """A deletion names neither pipeline nor stage, and may be all that a compacted log has left."""
    changes = Changes()
    state = PartitionState(PLAN, changes.vocabulary)
    state.apply(changes.make("deal", "gone", None, 3))
    view = view_deal(state.deals[sixteen("deal")], PLAN, changes.vocabulary)
    assert view.rows == (RowView(UUID(bytes=sixteen("gone")), 3, None),)
    assert view.windows == ()
