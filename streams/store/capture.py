"""The fingerprint of the source, kept for each log: a change of the source that loses events becomes a doubt."""

from collections import defaultdict
from datetime import datetime

from streams.cdc.fingerprint import as_text, parse
from streams.domain.capture import capture_faults, changes
from streams.domain.fingerprint import Fingerprint
from streams.resources import sql
from streams.store.database import Connection
from streams.store.doubts import note_doubt


async def begin_capture(report: Connection, topic_id: str, now: Fingerprint, source_time: datetime) -> None:
    """Keep the fingerprint with which a log begins; a log that has begun keeps the fingerprint it has."""
    await report.execute(sql("queries/store/capture_begin"), topic_id, as_text(now), source_time)


async def note_source(report: Connection, topic_id: str, now: Fingerprint, source_time: datetime) -> None:
    """Note doubts if the source has a fault at `source_time`, or has changed since the log was last looked at.

    A fault is noted again at every call: no reconciliation settles a fault that is still there. A change is noted once.
    A fingerprint older than the known one does nothing: a closer was paused, and another closer has looked since.
    """
    row = await report.fetchrow(sql("queries/store/capture_known"), topic_id)
    if row is not None and row["source_time"] > source_time:
        return
    before = None if row is None else parse(row["fingerprint"])
    reasons = defaultdict(list)
    for fault in [*capture_faults(now), *(changes(before, now) if before is not None else [])]:
        reasons[fault.kind].append(str(fault))
    for kind, several in reasons.items():
        await note_doubt(report, kind, "; ".join(several))
    if before != now:
        await report.execute(sql("queries/store/capture_keep"), topic_id, as_text(now), source_time)
