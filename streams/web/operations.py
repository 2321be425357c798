"""Operations: what an engineer asks of an installation, read from the report database in one snapshot."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from streams.store.doubts import COMPARE, REMEDIES
from streams.store.held_epoch import worker_names
from streams.web.database import Reading, Row
from streams.web.findings import Of, read_repairs
from streams.web.freshness import health_of
from streams.web.lists import named, read_reconciliations
from streams.web.operation_model import (
    Comparisons,
    DeadLetters,
    DifferingWindow,
    DoubtReading,
    Epoch,
    Evaluator,
    Findings,
    FindingsOfWindow,
    LetterReason,
    Operations,
    Partition,
    Proving,
    Receiver,
    WaitingWindow,
    Windows,
    Worker,
)
from streams.web.troubles import troubles_of
from streams.web.waiting import lag_of, proof_waits_for, window_waits_for

OVERDUE_AFTER = timedelta(seconds=10)
"""The time from a window's end plus grace until the open window is overdue, as in `funnelproof status`."""
_MOST = 10
"""The most windows, reasons and comparisons that are listed."""


async def read_operations(read: Reading, grace: timedelta, compared: Comparisons | None = None) -> Operations:
    """Return the state of the installation, for a reader of every tenant. `grace`: how long windows stay open.

    `compared`: the comparisons where they were read a moment ago; reading them counts all closed windows.
    """
    pulse = await read.row("pulse")
    last = await read_reconciliations(read, None, _MOST)
    backlog = await read.row("backlog") or {}
    epoch = await read.row("epoch")
    proving = await read.row("proving")
    partitions = _partitions(await read.rows("progress"), proving)
    proof = _proof(pulse, backlog, proving, partitions)
    evaluator = await read.row("evaluator")
    found = Operations(
        state="empty",
        troubles=(),
        health=health_of(pulse, next(iter(last.items), None)),
        epoch=Epoch(**epoch) if epoch else None,
        workers=await _workers(read, partitions, "" if pulse is None else pulse["instance"]),
        partitions=partitions,
        proof=proof,
        windows=await _windows(read, pulse, proof, grace),
        pending_revisions=backlog.get("pending_revisions", 0),
        unpublished_results=backlog.get("unpublished_events", 0),
        unpublished_age=backlog.get("unpublished_age"),
        doubts=await _doubts(read),
        dead_letters=await _dead_letters(read),
        comparisons=compared
        or Comparisons(
            **(await read.rows("comparisons"))[0],
            differing=tuple(
                DifferingWindow(**named(row)) for row in await read.rows("differing_windows", _MOST)
            ),
            last=last.items,
        ),
        findings=await _findings(read),
        repairs=(await read_repairs(read, Of(), None, _MOST)).items,
        receivers=tuple(Receiver(**row) for row in await read.rows("receivers")),
        evaluator=Evaluator(**evaluator) if evaluator else None,
    )
    if not partitions and not found.workers:
        return found
    troubles = tuple(troubles_of(found))
    return found.model_copy(update={"state": "trouble" if troubles else "well", "troubles": troubles})


def _partitions(rows: Sequence[Row], proving: Row | None) -> tuple[Partition, ...]:
    ends = {} if proving is None or proving["needed"] is None else json.loads(proving["needed"])
    end_age = proving["needed_age"] if proving else None
    return tuple(_partition(row, ends.get(str(row["partition"])), end_age) for row in rows)


def _partition(row: Row, end: int | None, end_age: float | None) -> Partition:
    position = row["source_offset"]
    return Partition(
        partition=row["partition"],
        worker=row["worker"],
        position=position,
        end=end,
        end_age=None if end is None else end_age,
        lag=lag_of(position, end, end_age),
        is_replayed=position is None or position < row["claimed"],
        flush_age=row["age"],
    )


async def _workers(read: Reading, partitions: Sequence[Partition], instance: str) -> tuple[Worker, ...]:
    sessions = {row["session"]: row["since"] for row in await read.rows("workers")}
    holders = {each.worker for each in partitions if each.worker}
    living = {worker_names([session], instance, holders)[0]: since for session, since in sessions.items()}
    return tuple(
        Worker(
            name=name,
            lives=name in living,
            since=living.get(name),
            partitions=tuple(each.partition for each in its),
            flush_age=max((each.flush_age for each in its if each.flush_age is not None), default=None),
        )
        for name in sorted(living.keys() | holders)
        if (its := [each for each in partitions if each.worker == name]) or name in living
    )


def _proof(
    pulse: Row | None, backlog: Mapping[str, Any], proving: Row | None, partitions: Sequence[Partition]
) -> Proving:
    known = pulse or dict.fromkeys(("source_time", "source_lsn", "completeness", "reasons", "proven_at"))
    age = (
        None
        if pulse is None or pulse["proven_at"] is None
        else (pulse["now"] - pulse["proven_at"]).total_seconds()
    )
    behind = {each.partition: each.lag for each in partitions if each.lag}
    return Proving(
        proven_until=known["source_time"],
        age=age,
        lsn=known["source_lsn"],
        completeness=known["completeness"],
        reasons=tuple(known["reasons"] or ()),
        waits_for=proof_waits_for(age, proving, behind),
        marker_seconds=backlog.get("marker_seconds"),
        progress_seconds=backlog.get("progress_seconds"),
    )


async def _windows(read: Reading, pulse: Row | None, proof: Proving, grace: timedelta) -> Windows:
    """Return the open windows by the source's clock: its last known time, and the time since."""
    if pulse is None or proof.proven_until is None or proof.age is None:
        return Windows(open=0, overdue=0, first=())
    now = proof.proven_until + timedelta(seconds=proof.age)
    rows = await read.rows("waiting_windows", now, now - grace - OVERDUE_AFTER, _MOST)
    return Windows(
        open=rows[0]["total"] if rows else 0,
        overdue=rows[0]["overdue"] if rows else 0,
        first=tuple(
            WaitingWindow(
                **named(row),
                state="overdue" if row["is_overdue"] else "closing" if row["has_ended"] else "open",
                waits_for=window_waits_for(proof.waits_for) if row["is_overdue"] else None,
            )
            for row in rows
        ),
    )


async def _doubts(read: Reading) -> tuple[DoubtReading, ...]:
    return tuple(
        DoubtReading(remedy=REMEDIES.get(row["kind"], COMPARE), **row) for row in await read.rows("doubts")
    )


async def _dead_letters(read: Reading) -> DeadLetters:
    rows = await read.rows("dead_letters", _MOST)
    return DeadLetters(
        letters=rows[0]["total"] if rows else 0,
        age=rows[0]["age"] if rows else None,
        reasons=tuple(
            LetterReason(**{name: row[name] for name in LetterReason.model_fields}) for row in rows
        ),
    )


async def _findings(read: Reading) -> Findings:
    rows = await read.rows("open_findings", _MOST)
    return Findings(
        open=rows[0]["total"] if rows else 0,
        windows=rows[0]["windows"] if rows else 0,
        age=rows[0]["age"] if rows else None,
        first=tuple(FindingsOfWindow(**named(row)) for row in rows),
    )
