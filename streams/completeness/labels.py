"""The labels of tenants and pipelines, read from the source with the statement of FUNNELPROOF_LABELS_SQL."""

import math
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from streams.errors import one_line
from streams.store.database import Connection, Pool
from streams.store.keep_trying import Trouble
from streams.store.labels import Label, LabelKind, keep_labels, note_look

LOOK_EVERY = 60.0
"""Seconds between two looks at the source's labels."""
LOOK_SECONDS = 2
"""The most seconds of a look: proofs wait for the look."""
_ENDED = (asyncpg.OperatorInterventionError, asyncpg.PostgresConnectionError)
"""The server ended the session, and asyncpg may not have seen the socket's end yet."""
_KINDS: dict[str, LabelKind] = {"tenant": "tenant", "pipeline": "pipeline"}

_Row = tuple[str | None, str | None, str | None]
"""Kind, id and name, as text."""


class BadLabelsError(Exception):
    """The statement cannot be run, or gives something else than labels."""


class LabelWatch:
    """Keeps the labels of the report database equal to the source's, with a look a minute on the prover's session.

    `query` None: there are no labels. A statement that fails changes no label and ends nothing: `trouble` has the
    reason, `failures` counts the looks that met a mistake. A row that is no label is left out, and is such a mistake.
    """

    def __init__(self, query: str | None, report: Pool) -> None:
        self._query = query
        self._report = report
        self._next_look = 0.0
        self.trouble = Trouble("FUNNELPROOF_LABELS_SQL gives no labels")
        self.failures = 0

    async def look(self, source: Connection, now: float) -> None:
        """Read the labels if a look is due at `now` (seconds of a steady clock).

        `source` must not be in a transaction. Raises the errors of a lost connection and of the report database only.
        """
        if now < self._next_look:
            return
        self._next_look = now + (math.inf if self._query is None else LOOK_EVERY)
        strange: str | None = None
        try:
            labels, strange = labels_of(await self._read(source))
            await keep_labels(self._report, labels)
        except BadLabelsError as error:
            strange = str(error)
        if strange is None:
            self.trouble.end()
        else:
            self.failures += 1
            self.trouble.tell(BadLabelsError(strange))
        await note_look(self._report, strange)

    async def _read(self, source: Connection) -> Sequence[_Row]:
        """Return kind, id and name of every row, as text."""
        if self._query is None:
            return []
        statement = self._query.strip().removesuffix(";")
        try:
            async with source.transaction(readonly=True):
                await source.execute(f"set local statement_timeout = '{LOOK_SECONDS}s'")
                rows = await source.fetch(
                    f"select label.kind::text, label.id::text, label.name::text from (\n{statement}\n) as label"  # noqa: S608 - the operator's own statement, which may read only
                )
                return [tuple(row) for row in rows]
        except asyncpg.QueryCanceledError:
            raise BadLabelsError(f"took more than {LOOK_SECONDS} s: make the statement faster") from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if source.is_closed() or isinstance(error, _ENDED):
                raise
            raise BadLabelsError(
                f"{one_line(error)}: give a query with the columns kind (tenant or pipeline), id and name"
            ) from error


def labels_of(rows: Sequence[_Row]) -> tuple[list[Label], str | None]:
    """Return the labels in rows of kind, id and name, and what is wrong with the other rows.

    A row without a name gives no label, and nothing is wrong with it. Of two names of the same id the first in
    alphabetical order counts.
    """
    names: dict[tuple[LabelKind, str], str] = {}
    wrong: list[str] = []
    for kind, identifier, name in sorted(rows, key=lambda row: row[2] or ""):
        known, canonical = _KINDS.get(kind or ""), _uuid(identifier)
        if known is None:
            wrong.append(f"the kind {kind!r} is neither tenant nor pipeline")
        elif canonical is None:
            wrong.append(f"the id {identifier!r} is no UUID")
        elif name and name.strip() and names.setdefault((known, canonical), name) != name:
            wrong.append(f"{known} {canonical} has two names, {names[known, canonical]!r} and {name!r}")
    labels = [Label(kind, identifier, name) for (kind, identifier), name in names.items()]
    if not wrong:
        return labels, None
    return labels, f"{len(wrong)} of {len(rows)} rows cannot be used, the first because {wrong[0]}"


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID(text))
    except (TypeError, ValueError, AttributeError):
        return None
