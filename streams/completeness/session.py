"""A session for proofs: a connection to the source, a reader of markers, and a prover that uses both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from streams.cdc.connector import Connector
from streams.cdc.fingerprint import read_fingerprint, snapshot_reader
from streams.cdc.topics import Topics
from streams.completeness.markers import Markers
from streams.completeness.proving import Prover
from streams.errors import FunnelproofError
from streams.settings import Settings
from streams.store.database import STATEMENT_SECONDS, OwnConnection, Pool, close_soon, connect_to_source

CONNECT_SECONDS = 1.0
"""The most seconds that a proof waits for Connect's answer."""


@dataclass(frozen=True)
class ProvingSession:
    """A connection for emitting markers, a reader of markers, and a prover that uses both."""

    source: OwnConnection
    markers: Markers
    prover: Prover


@asynccontextmanager
async def proving_session(
    settings: Settings,
    report: Pool,
    topics: Topics,
    partitions: int,
    role: str,
    *,
    statement_seconds: float | None = STATEMENT_SECONDS,
) -> AsyncIterator[ProvingSession]:
    """Open a session for proofs about the data topic with `partitions` partitions; close the session at the end.

    `role` is shown in the source's list of sessions. `statement_seconds` bounds each statement on the source; None is
    no bound. Raises UnreachableError if the source or Kafka does not answer.
    """
    async with AsyncExitStack() as stack:
        source = await connect_to_source(settings, role, statement_seconds=statement_seconds)
        stack.push_async_callback(close_soon, source)
        markers = await stack.enter_async_context(
            Markers(report, settings.brokers, settings.message_topic, settings.marker_prefix)
        )
        look = partial(read_fingerprint, publication=settings.instance, reader=snapshot_reader(settings))
        ask = partial(_configuration_faults, Connector(settings))
        prover = Prover(report, topics, settings.data_topic, partitions, markers, look, ask)
        yield ProvingSession(source, markers, prover)


async def _configuration_faults(connector: Connector) -> Sequence[str]:
    # Where Connect is silent, the slot watch asks again, and status tells of the silence.
    with suppress(FunnelproofError, TimeoutError):
        async with asyncio.timeout(CONNECT_SECONDS):
            return await connector.configuration_faults()
    return ()
