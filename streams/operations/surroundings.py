"""The servers around a worker, asked for the worker's health: log, connector, last reconciliation."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import TypeVar

import asyncpg

from streams.cdc.connector import Connector, ConnectorStatus
from streams.operations.asking import answer_of
from streams.operations.reading import Reading
from streams.operations.verdict import Defect, difference_of, trouble_of
from streams.resources import sql
from streams.running import Running
from streams.settings import Settings

ASK_SECONDS = 2.0
"""The most seconds for which an answer on the health waits for a server."""

T = TypeVar("T")


class Surroundings:
    """Remembers between two requests since when positions stand."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stood: dict[int, tuple[int, float]] = {}
        self._asked_by: Connector | None = None

    async def add_to(self, reading: Reading, running: Running, now: float) -> Reading:
        """Return `reading` with the answers of Kafka and, for the prover, of Connect and the report database."""
        readable = await _asked(
            "Kafka", running.topic.ends(running.epoch.topic, reading.partitions, committed=True)
        )
        standing = self.standing(reading, {} if isinstance(readable, str) else readable, now)
        if reading.unproven is None:
            return replace(reading, standing=standing)
        connector, last = await asyncio.gather(
            _asked("Kafka Connect", self._connector().status()),
            _asked("Postgres", running.report.fetchrow(sql("queries/operations/last_reconciliation"))),
        )
        kinds = {doubt.kind for doubt in reading.doubts}
        return replace(
            reading,
            standing=standing,
            connector_trouble=_line(trouble_of(connector))
            if isinstance(connector, ConnectorStatus)
            else connector,
            # A Postgres that does not answer is told by the flush.
            difference=_line(difference_of(dict(last), kinds)) if isinstance(last, asyncpg.Record) else None,
        )

    def standing(self, reading: Reading, readable: Mapping[int, int], now: float) -> dict[int, float]:
        """Return the seconds for which each position stands at `now`, by partition with records to read."""
        unread = {
            number: partition.position
            for number, partition in reading.partitions.items()
            if readable.get(number, 0) > partition.position
        }
        self._stood = {
            number: before
            if (before := self._stood.get(number)) and before[0] == position
            else (position, now)
            for number, position in unread.items()
        }
        return {number: now - since for number, (_, since) in self._stood.items()}

    def _connector(self) -> Connector:
        if self._asked_by is None:
            self._asked_by = Connector(self._settings)
        return self._asked_by


async def _asked(server: str, question: Awaitable[T]) -> T | str:
    return await answer_of(server, question, ASK_SECONDS)


def _line(trouble: Defect | None) -> str | None:
    return None if trouble is None else str(trouble)
