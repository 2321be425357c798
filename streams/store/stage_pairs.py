"""The pairs of stages from the settings, in place of the pairs of each stage and the next.

Partials hold every ordered pair of stages. New pairs therefore need no recount, and pairs are no part of an epoch.
"""

import json
from uuid import UUID, uuid5

from streams.domain.pairs import StagePairs
from streams.errors import PreconditionError, SettingsError
from streams.resources import sql
from streams.store.database import Connection

_NAMESPACE = UUID("f0a5a4f5-0d9e-5d0c-8a55-6b5b6c1d7a02")


async def check_pairs(source: Connection, pairs: StagePairs) -> None:
    """Raise SettingsError with the name of every pipeline and stage that the CRM does not have."""
    if not pairs:
        return
    rows = await source.fetch(sql("queries/store/pairs_strange"), *_columns(pairs))
    if rows:
        raise SettingsError(
            "wrong settings:\n  "
            + "\n  ".join(
                f"FUNNELPROOF_STAGE_PAIRS: {_explain(row['pipeline'], row['stages'])}" for row in rows
            )
        )


async def keep_pairs(facts: Connection, pairs: StagePairs) -> None:
    """Make `pairs` the pairs of windows that close from now on; raises as `require_free_pairs` does.

    Workers begin in turn: no worker with other pairs comes in between.
    """
    async with facts.transaction():
        await facts.execute(sql("queries/store/closing_lock"))
        if not await facts.fetchval(sql("queries/store/pairs_are_current"), digest(pairs)):
            await require_free_pairs(facts, pairs)
            await facts.execute(sql("queries/store/pairs_forget"))
            await facts.execute(sql("queries/store/pairs_keep"), digest(pairs), *_columns(pairs))


async def require_free_pairs(facts: Connection, pairs: StagePairs) -> None:
    """Raise PreconditionError if a living worker has other pairs."""
    if await facts.fetchval(sql("queries/store/pairs_are_current"), digest(pairs)):
        return
    holders = [row["worker"] for row in await facts.fetch(sql("queries/store/epoch_holders"))]
    if holders:
        raise PreconditionError(
            f"another worker of this instance runs with other FUNNELPROOF_STAGE_PAIRS ({', '.join(holders)}): "
            "give this worker the same, or stop all workers that have the former ones"
        )


async def require_current_pairs(facts: Connection, pairs: StagePairs) -> None:
    """Raise PreconditionError if a worker with other pairs has begun since."""
    if not await facts.fetchval(sql("queries/store/pairs_are_current"), digest(pairs)):
        raise PreconditionError(
            "a worker with other FUNNELPROOF_STAGE_PAIRS has taken over since: "
            "give all workers of an instance the same settings, then start them again"
        )


def digest(pairs: StagePairs) -> UUID | None:
    """Return a digest of the pairs, None for no pairs. The order of the pairs does not matter."""
    if not pairs:
        return None
    told = sorted((*scope, sorted(those)) for scope, those in pairs.items())
    return uuid5(_NAMESPACE, json.dumps(told))


def _explain(pipeline: str, stages: list[str] | None) -> str:
    if stages is None:
        return f"{pipeline}: the CRM has no such tenant and pipeline"
    return f"{pipeline}: the pipeline has no stage {', '.join(stages)}"


def _columns(pairs: StagePairs) -> list[list[str]]:
    rows = [(*scope, *pair) for scope, those in pairs.items() for pair in those]
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
