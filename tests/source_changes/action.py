"""Actions: things that people do to the source, the capture, the log or the facts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, IntEnum

import asyncpg

from tests.source_changes.world import World


class Cost(IntEnum):
    """The most that an action may cost. More than expected is a false doubt."""

    NOTHING = 0
    """Results stay proven."""
    COMPARISON = 1
    """Results are in doubt until a reconciliation finds all equal."""
    NEW_LOG = 2
    """Results are in doubt until the log is begun anew, or the action is refused."""


class Step(Enum):
    """Steps between the statements of an action."""

    WRITE = "the CRM writes"
    PROOF = "a proof is made, so the prover sees the source as it is now"


WRITE, PROOF = Step.WRITE, Step.PROOF
PROOF_SECONDS = 4.0
LOST_DELETE = "delete from {rows} where id in (select id from {rows} order by id limit 3)"
"""A write that the log must not miss: the counts would show the loss."""
Act = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Action:
    """An action, and the statements by which its author would put the source right again.

    `needs`: "roles" (workers and Debezium have the roles of `sql/roles.sql`), "separate" (a report database of its
    own). An `early` action can also happen before `connector apply`.
    """

    name: str
    cost: Cost
    act: Act
    mend: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    early: bool = False


def statements(
    name: str,
    cost: Cost,
    *steps: str | Step,
    mend: tuple[str, ...] = (),
    needs: frozenset[str] = frozenset(),
    early: bool = False,
) -> Action:
    """Return an action of SQL statements on the source, with writes and proofs between them."""

    async def act(world: World) -> None:
        for step in steps:
            await take(world, step)

    return Action(name, cost, act, mend, needs, early)


async def take(world: World, step: str | Step) -> None:
    """Take one step of an action."""
    match step:
        case Step.WRITE:
            await world.write()
        case Step.PROOF:
            await next_proof(world)
        case statement:
            await world.execute(str(statement))


async def next_proof(world: World) -> None:
    """Wait until the prover has looked at the source; not for long, since it may not be able to."""
    if not world.workers:
        return
    try:
        await world.proves(PROOF_SECONDS)
    except asyncpg.PostgresError:
        await asyncio.sleep(PROOF_SECONDS)
