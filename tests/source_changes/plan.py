"""The actions of a history and their order: the seed decides everything."""

import random
from dataclasses import dataclass

from tests.source_changes.catalogue import ACTIONS

ROUNDS = (3, 6)
EARLY = 0.35
"""How often an action that can happen before `connector apply` does, where it is the history's first."""


@dataclass(frozen=True)
class Round:
    """An action between writes. `seed` decides the writes and the pauses."""

    number: int
    action: str
    seed: str


@dataclass(frozen=True)
class Plan:
    """The plan of a history: the kind of installation, an action before `connector apply` or none, then rounds."""

    name: str
    seed: str
    roles: bool
    separate: bool
    early: str | None
    rounds: tuple[Round, ...]

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions in order."""
        return (*([self.early] if self.early else []), *(each.action for each in self.rounds))


def plan(seed: int, number: int, only: str = "") -> Plan:
    """Return history `number` of a session. Every action is the first of some history, in turn.

    `only` chooses the first actions by a part of their names.
    """
    own = f"{seed}/{number}"
    chance = random.Random(own)
    firsts = [name for name in ACTIONS if only in name]
    random.Random(seed).shuffle(firsts)
    first = ACTIONS[firsts[number % len(firsts)]]
    roles = "roles" in first.needs or chance.random() < 0.4
    separate = "separate" in first.needs or chance.random() < 0.3
    there = {name for name, has in (("roles", roles), ("separate", separate)) if has}
    possible = [action.name for action in ACTIONS.values() if action.needs <= there]
    early = first.early and chance.random() < EARLY
    following = chance.choices(possible, k=chance.randint(*ROUNDS))
    names = following if early else [first.name, *following[1:]]
    rounds = tuple(Round(place, name, f"{own}/{place}") for place, name in enumerate(names, start=1))
    return Plan(f"sc{seed}_{number}", own, roles, separate, first.name if early else None, rounds)
