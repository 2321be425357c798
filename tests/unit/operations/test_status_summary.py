"""What `status` tells people: a line for each part of the installation, well or not, and what to do."""

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from streams.alerts.delivery.reading import ReceiverReading
from streams.alerts.listing import EvaluatorReading
from streams.alerts.overview import Overview
from streams.cdc.connector import ConnectorStatus
from streams.cli.status import Picture
from streams.domain.proof import OpenTransaction
from streams.operations.status import OverdueWindow, Status
from streams.operations.summary import Line, headline, summarize
from streams.operations.verdict import Defect, PartitionStatus
from streams.store.doubts import Doubt

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "instance": "funnelproof",
    "installed_at": NOW - timedelta(days=9),
    "now": NOW,
    "proven_at": NOW - timedelta(seconds=1),
    "proven_until": NOW - timedelta(seconds=2),
    "proven_lsn": "0/16B3748",
    "completeness": "proven",
    "reasons": [],
    "open_windows": 3,
    "closed_windows": 1_204,
    "revisions": 4,
    "pending_revisions": 0,
    "sealed": [],
    "dead_letters": 0,
    "unpublished_events": 0,
    "labels": 12,
    "labels_trouble": None,
    "last_reconciliation": None,
    "comparisons": {
        "windows": 1_204,
        "never_compared": 4,
        "oldest_age": 10_800.0,
        "different": 0,
        "different_age": None,
    },
    **{f"{step}_seconds": 0.01 for step in ("barrier", "marker", "progress", "publish")},
}
FOLDED = PartitionStatus(0, 4711, 4712, "host:1", "", 4712, 4000, 0.4)
WRITER = OpenTransaction("3/77", 42, None, "crm", "import", 61.0)
EVALUATOR = EvaluatorReading(
    "host:2", is_active=True, looked_at=NOW, age=2.0, proven_until=NOW,
    held=None, held_since=None, broken_rules=(), broken_since=None,
)  # fmt: skip
PAGER = ReceiverReading(
    "pager", known=True, waiting=3, oldest_at=NOW, last_error="refused", given_up=0, age=9.0
)
WELL = Status(
    facts=FACTS,
    partitions=[FOLDED],
    living=["host:1"],
    gone=[],
    connector=ConnectorStatus("crm", "RUNNING", ["RUNNING"]),
    slot={"active": True, "wal_status": "reserved", "retained_bytes": 12_000_000},
    overdue=[],
    writers=[],
    alerts=Overview(EVALUATOR, {"firing": 0}),
)
JARGON = ("LSN", "0/16B3748", "offset", "4711", "epoch", "host:1", "slot", "WAL")


def line(found: Status, part: str) -> Line:
    (one,) = [each for each in summarize(found) if each.part == part]
    return one


def having(**facts: Any) -> Status:  # noqa: ANN401 - values of a row
    return replace(WELL, facts={**FACTS, **facts})


def drawn(found: Status, *, is_terminal: bool = False, verbose: bool = False) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=80, force_terminal=is_terminal, no_color=True)
    console.print(Picture(found, verbose=verbose), soft_wrap=not is_terminal)
    return screen.getvalue()


def test_an_installation_that_works_is_well_in_every_part_and_without_jargon() -> None:
    assert {each.mark for each in summarize(WELL)} == {"well"}
    text = drawn(WELL)
    assert text.startswith("funnelproof: all is well\n✓ servers ")
    assert [word for word in JARGON if word in text] == []
    for told in (
        "1 worker counts; the oldest counts are 0.4 s old, 1 change waits",
        "12 MB of log are kept",
        "every change until 11:59:58 UTC is counted",
        "3 open, 1,204 closed, none overdue",
        "1,200 of 1,204 closed windows equal the canonical SQL; the oldest comparison was 3 h ago",
        "every result is in Kafka",
        "evaluated 2 s ago, no alert is on",
        "12 names",
    ):
        assert told in text


def test_the_details_have_positions_and_all_else() -> None:
    text = drawn(replace(WELL, writers=[WRITER]), verbose=True)
    for told in ("up to 0/16B3748", "folded to offset 4711, the log ends at 4712", "host:1 lives", "pid 42"):
        assert told in " ".join(text.split())


def test_a_trouble_is_told_at_its_part_with_cause_and_remedy() -> None:
    found = replace(WELL, troubles=[Defect("workers", "no worker lives", "start a worker")])
    assert (line(found, "workers").mark, line(found, "proof").mark) == ("bad", "well")
    assert headline(found) == "1 thing is not well"
    assert "✗ workers      no worker lives → start a worker\n" in drawn(found)
    terminal = drawn(found, is_terminal=True)
    assert terminal.index("no worker lives") < terminal.index("→ start a worker")


def test_without_a_terminal_a_long_remedy_stays_in_one_line() -> None:
    found = replace(WELL, troubles=[Defect("proof", "doubt " * 30, "remedy " * 30)])
    (long,) = [each for each in drawn(found).splitlines() if "doubt" in each]
    assert "remedy" in long


def test_an_overdue_window_is_not_well_and_names_the_transaction_that_holds_it() -> None:
    found = replace(WELL, overdue=[OverdueWindow("hour", NOW)], writers=[WRITER])
    assert headline(found) == "1 thing is not well"
    (trouble,) = line(found, "windows").troubles
    assert str(trouble) == (
        "hour ended 12:00:00 UTC and is not closed: the window waits for pid 42 (crm, import), open for 61 s"
    )


@pytest.mark.parametrize(
    ("found", "part", "told"),
    [
        (replace(WELL, partitions=[replace(FOLDED, flushed_ago=20.0)]), "workers", "late: 1 worker counts"),
        (replace(WELL, partitions=[replace(FOLDED, claimed=9_000)]), "workers", "are read again"),
        (having(proven_at=NOW - timedelta(seconds=30)), "proof", "late: every change"),
        (having(completeness="estimated", reasons=["pid 42 is open"]), "proof", "pid 42 is open"),
        (replace(WELL, writers=[WRITER]), "windows", "will wait for pid 42 (crm, import), open for 61 s"),
        (having(dead_letters=1), "dead letters", "1 event could not be applied"),
        (having(labels_trouble="no column"), "labels", "FUNNELPROOF_LABELS_SQL: no column"),
        (replace(WELL, alerts=Overview(EVALUATOR, {"firing": 2, "held": 0})), "alerts", "2 firing"),
        (
            replace(WELL, alerts=Overview(replace(EVALUATOR, held="nothing is proven"))),
            "alerts",
            "nothing is decided now: nothing is proven",
        ),
        (
            replace(
                WELL,
                alerts=Overview(EVALUATOR, {}, [PAGER]),
            ),
            "alerts",
            "pager does not take alerts: refused",
        ),
    ],
)
def test_what_is_worth_a_look_is_told_and_is_no_trouble(found: Status, part: str, told: str) -> None:
    assert line(found, part).mark == "note"
    assert told in line(found, part).told
    assert (found.healthy, headline(found)) == (True, "all is well")


@pytest.mark.parametrize(
    ("found", "unknown"),
    [
        (
            replace(WELL, facts={}, alerts=None),
            {"workers", "proof", "windows", "dead letters", "compared", "published", "alerts"},
        ),
        (replace(WELL, connector=None), {"capture"}),
        (replace(WELL, slot=None), {"capture"}),
        (having(proven_at=None), {"proof"}),
        (
            having(comparisons={**FACTS["comparisons"], "oldest_age": None}),
            {"compared"},
        ),
        (replace(WELL, alerts=Overview()), {"alerts"}),
    ],
)
def test_what_nobody_can_tell_is_not_called_well(found: Status, unknown: set[str]) -> None:
    assert {each.part for each in summarize(found) if each.mark == "unknown"} == unknown


def test_the_reason_of_a_doubt_is_told_once() -> None:
    doubt = Doubt("dead_letters", "1 events could not be applied", "retry")
    trouble = Defect("dead letters", f"results are estimates: {doubt.reason}", doubt.remedy)
    facts: Mapping[str, Any] = {**FACTS, "completeness": "estimated", "reasons": [doubt.reason]}
    text = drawn(replace(WELL, facts=facts, doubts=[doubt], troubles=[trouble]))
    assert text.count(doubt.reason) == 1
    assert "! proof        results are estimates for now: see ✗" in text


def test_names_command_no_terminal() -> None:
    writer = replace(WRITER, application="\x1b[2J[red]")
    assert "\\x1b[2J[red]" in drawn(replace(WELL, writers=[writer]))
