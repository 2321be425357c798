"""A transaction that publishes runs, for a close and for a backfill."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from streams.domain.proof import Proof
from streams.domain.windows import Window, to_microseconds
from streams.publish.candidates import Candidate, columns
from streams.resources import sql
from streams.store.capture import note_source
from streams.store.database import Connection
from streams.store.doubts import note_configuration, unresolved_doubts
from streams.store.epoch import Epoch, require_current_epoch


@dataclass(frozen=True)
class PublishedRuns:
    """The numbers of first runs, later runs and pairs; `by_doubts` groups the candidates by doubts."""

    closed: int
    revised: int
    pairs: int
    by_doubts: Mapping[tuple[str, ...], Sequence[Candidate]]


class Publication:
    """Publishes runs of an epoch on the strength of `proof`, in the open transaction of `connection`.

    Once `dormant_after` has passed since a pipeline's last entry, the pipeline gets no zero rows any more. None: a
    pipeline always gets zero rows.
    """

    def __init__(
        self, connection: Connection, epoch: Epoch, proof: Proof, dormant_after: timedelta | None
    ) -> None:
        self._connection = connection
        self._epoch = epoch
        self._proof = proof
        self._dormant_after = dormant_after

    async def begin(self) -> None:
        """Take the closer's lock until the transaction's end; raises PreconditionError if another epoch is current.

        Under the lock, a single transaction publishes, seals or changes pairs at a time. Example: the closer and a
        backfill both find a window open. The second transaction waits in `begin`, then reads the window as closed.
        """
        await self._connection.execute(sql("queries/store/closing_lock"))
        await require_current_epoch(self._connection, self._epoch)

    async def doubts(self) -> list[str]:
        """Note the faults and changes of source and connector at the proof's marker as doubts.

        Return the reasons why every run of the proof is an estimate; without reasons, the proof holds.
        """
        if self._proof.fingerprint is not None:
            await note_source(
                self._connection, self._epoch.topic_id, self._proof.fingerprint, self._proof.source_time
            )
        await note_configuration(self._connection, self._proof.configuration)
        unresolved = await unresolved_doubts(self._connection)
        return [*self._proof.doubts, *(doubt.reason for doubt in unresolved)]

    async def replace_stages(self) -> None:
        """Keep the pipelines' stages that the proof has read."""
        stages = self._proof.marker.stages
        await self._connection.execute(
            sql("queries/publish/closing_stages"),
            [stage.stage_id for stage in stages],
            [stage.scope.tenant_id for stage in stages],
            [stage.scope.pipeline_id for stage in stages],
            [stage.name for stage in stages],
            [stage.display_order for stage in stages],
        )

    async def publish(self, doubts: Sequence[str], candidates: Sequence[Candidate]) -> PublishedRuns:
        """Publish candidates, with a single statement for all candidates of equal doubts."""
        closed = revised = pairs = 0
        by_doubts = await self._by_doubts(doubts, candidates)
        for reasons, some in by_doubts.items():
            row = await self._publish(reasons, some)
            closed, revised, pairs = closed + row[0], revised + row[1], pairs + row[2]
        return PublishedRuns(closed, revised, pairs, by_doubts)

    async def close(self, windows: Sequence[Window]) -> None:
        """Mark windows as closed, for all pipelines."""
        if windows:
            await self._connection.execute(sql("queries/publish/closing_close"), *columns(windows))

    async def _by_doubts(
        self, doubts: Sequence[str], candidates: Sequence[Candidate]
    ) -> dict[tuple[str, ...], list[Candidate]]:
        """Group candidates by doubts: the doubts about the proof, and the resolved doubts about the candidate's window.

        A resolved doubt still concerns a window that began before the doubt and was open at the reconciliation: the
        reconciliation did not compare the window. Example: a doubt is noted at 12:10, and a reconciliation at 12:20 is
        equal. The window from 12:00 to 13:00 keeps the doubt.
        """
        windows = list({candidate.window for candidate in candidates})
        if not windows:
            return {}
        rows = await self._connection.fetch(sql("queries/publish/doubts_of_windows"), *columns(windows)[:2])
        own = {(row["window_name"], to_microseconds(row["window_start"])): row["reasons"] for row in rows}
        sorted_by_doubts: dict[tuple[str, ...], list[Candidate]] = {}
        for candidate in candidates:
            reasons = (*doubts, *own.get((candidate.window.name, candidate.window.start), ()))
            sorted_by_doubts.setdefault(reasons, []).append(candidate)
        return sorted_by_doubts

    async def _publish(self, doubts: Sequence[str], candidates: Sequence[Candidate]) -> tuple[int, int, int]:
        proof, marker = self._proof, self._proof.marker
        proof_id = await self._connection.fetchval(
            sql("queries/publish/closing_proof"),
            marker.marker_id,
            proof.source_time,
            marker.source_lsn,
            marker.snapshot,
            marker.system_identifier,
            marker.timeline,
            json.dumps(proof.needed),
            completeness(doubts),
            doubts,
            as_json(proof.open_transactions),
            proof.marker_seconds,
            proof.progress_seconds,
            self._epoch.id,
        )
        row = await self._connection.fetchrow(
            sql("queries/publish/closing_publish"),
            self._epoch.id,
            proof_id,
            [candidate.run_id for candidate in candidates],
            [candidate.tenant_id for candidate in candidates],
            [candidate.pipeline_id for candidate in candidates],
            *columns([candidate.window for candidate in candidates]),
            [candidate.revision for candidate in candidates],
            [candidate.previous_run_id for candidate in candidates],
            [self._timezone(candidate) for candidate in candidates],
            [candidate.purpose for candidate in candidates],
            self._dormant_after,
        )
        return (row["closed"], row["revised"], int(row["pairs"])) if row else (0, 0, 0)

    def _timezone(self, candidate: Candidate) -> str:
        window = candidate.window
        return self._epoch.plan.kind_of(candidate.tenant_id, window.name).timezone_at(window.start)


async def not_closed(connection: Connection, windows: Sequence[Window]) -> list[Window]:
    """Return the windows that are not closed yet, in the given order."""
    if not windows:
        return []
    rows = await connection.fetch(sql("queries/publish/closing_already_closed"), *columns(windows))
    closed = {Window(row[0], to_microseconds(row[1]), to_microseconds(row[2])) for row in rows}
    return [window for window in windows if window not in closed]


def completeness(doubts: Sequence[str]) -> str:
    """Return "estimated" for runs with doubts, "proven" for runs without doubts."""
    return "estimated" if doubts else "proven"


def as_json(open_transactions: Iterable[object]) -> str:
    """Return transactions as JSON text for the database."""
    return json.dumps([asdict(transaction) for transaction in open_transactions])  # type: ignore[call-overload]  # dataclasses
