"""A proof: everything visible in the source at a marker is in the partials.

Why the proof holds:

1. A commit record enters the WAL before the transaction becomes visible. The marker's commit is therefore above the
   commit of every transaction that is visible at the marker.
2. Decoding emits transactions in the order of commits.
3. An exactly-once Connect producer commits sequentially, and fences zombies.
4. Once the marker is in Kafka, everything before the marker is in Kafka, too, below high watermarks read afterwards.
5. Once the progress of each partition has reached the high watermark, everything before the marker is in the partials.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import asyncpg

from streams.cdc.topics import Topics
from streams.completeness.markers import Markers
from streams.completeness.stages import known_stages, read_stages
from streams.domain.fingerprint import Fingerprint
from streams.domain.proof import Marker, OpenTransaction, Proof
from streams.resources import sql
from streams.store.database import Connection, Pool

_POLL = 0.02

Look = Callable[[Connection], Awaitable[Fingerprint]]
"""Reads the source's fingerprint on the marker's connection."""
Ask = Callable[[], Awaitable[Sequence[str]]]
"""Asks for the settings of the running connector by which changes are lost; none where Connect does not answer."""


class ProgressMissingError(Exception):
    """The partials did not reach the log's ends in time."""


class StagesUnknownError(Exception):
    """The pipelines' stages are not known."""


class Prover:
    """Makes proofs for an installation."""

    def __init__(
        self,
        report: Pool,
        topics: Topics,
        data_topic: str,
        partitions: int,
        markers: Markers,
        look: Look,
        ask: Ask,
    ) -> None:
        self._report = report
        self._topics = topics
        self._data_topic = data_topic
        self._partitions = partitions
        self._markers = markers
        self._look = look
        self._ask = ask

    async def prove(
        self,
        source: Connection,
        source_time: datetime,
        open_transactions: Sequence[OpenTransaction] = (),
        *,
        purpose: str = "close",
        barrier_seconds: float = 0.0,
        marker_timeout: float = 30.0,
        progress_timeout: float = 30.0,
    ) -> Proof:
        """Prove that everything visible in `source` now is counted; `source` must not be in a transaction.

        Raises MarkerMissingError or ProgressMissingError after the timeouts (seconds), MarkerDeniedError if the source
        does not let the role emit markers or read the stages.
        """
        began = time.monotonic()
        marker = await self._markers.emit(source, purpose)
        fingerprint = await self._look(source)
        await self._markers.arrival(marker, marker_timeout)
        arrived = time.monotonic()
        # Another configuration that the marker's way through the connector has met is in force by now.
        configuration = await self._ask()
        needed = await self._topics.ends(self._data_topic, range(self._partitions), committed=False)
        await self._report.execute(
            sql("queries/completeness/marker_needs"), marker.marker_id, json.dumps(needed)
        )
        await self._progress_reaches(needed, progress_timeout)
        doubts = [f"it had written and was still open: {each.description}" for each in open_transactions]
        return Proof(
            marker,
            source_time,
            needed,
            doubts,
            open_transactions,
            arrived - began,
            time.monotonic() - arrived,
            barrier_seconds,
            fingerprint,
            configuration,
        )

    async def estimate(
        self, source: Connection, source_time: datetime, reason: str, *, progress_timeout: float = 30.0
    ) -> Proof:
        """Wait until the whole present log is folded, and return an estimate: a proof without a marker.

        `reason` becomes the doubt of the proof. Raises StagesUnknownError or ProgressMissingError.
        """
        began = time.monotonic()
        row = await source.fetchrow(sql("queries/completeness/proof_position"))
        assert row is not None  # noqa: S101 - the statement always returns one row
        try:
            stages = await read_stages(source)
        except asyncpg.InsufficientPrivilegeError as error:
            stages = await known_stages(self._report)
            if not stages:
                raise StagesUnknownError(f"the pipelines' stages cannot be read: {error}") from error
        marker = Marker(None, row["source_lsn"], row["snapshot"], None, None, stages)
        needed = await self._topics.ends(self._data_topic, range(self._partitions), committed=False)
        await self._progress_reaches(needed, progress_timeout)
        fingerprint = await self._look(source)
        return Proof(
            marker,
            source_time,
            needed,
            [reason],
            [],
            0.0,
            time.monotonic() - began,
            fingerprint=fingerprint,
        )

    async def _progress_reaches(self, needed: dict[int, int], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            rows = await self._report.fetch(sql("queries/completeness/progress"))
            reached = {row["partition"]: row["source_offset"] for row in rows}
            behind = {place: end for place, end in needed.items() if reached.get(place, -1) < end}
            if not behind:
                return
            if time.monotonic() > deadline:
                raise ProgressMissingError(
                    f"partitions {sorted(behind)} are not folded up to the log's end after {timeout:.0f} s: "
                    "is a worker running for each?"
                )
            await asyncio.sleep(_POLL)
