"""A history: install, then rounds of writes, an action, writes and a look; in doubt, the advice is followed or not."""

import asyncio
import random
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from confluent_kafka import KafkaException

from streams.errors import FunnelproofError, PreconditionError
from tests.servers import Servers
from tests.source_changes.action import Action, Cost
from tests.source_changes.advice import follow
from tests.source_changes.catalogue import ACTIONS
from tests.source_changes.look import Finding, Look, look
from tests.source_changes.making import a_world
from tests.source_changes.plan import Plan, Round
from tests.source_changes.world import World
from tests.source_changes.writes import Crm

FOLLOW, GO_ON = 0.45, 0.2
"""How often the advice is followed in doubt, and how often the history goes on in doubt; else the history ends."""
MEND = 0.75
"""How often the source is put right before the advice is followed."""


@dataclass
class History:
    """The result of a plan. `steps` tells the story, a line for each round; `end` is proven, in doubt or refused."""

    plan: Plan
    steps: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    end: str = "proven"
    windows: int = 0
    seconds: float = 0.0
    broken: str | None = None

    @property
    def is_right(self) -> bool:
        """True if the history ran to an end without findings."""
        return not self.findings and self.broken is None


async def run(plan: Plan, servers: Servers, template: str, folder: Path) -> History:
    """Run a history in an empty folder; an unexpected error makes the history `broken`, and ends no other history."""
    history, began = History(plan), time.monotonic()
    try:
        crm = Crm(plan.seed)
        async with a_world(
            servers, template, folder, crm, plan.name, roles=plan.roles, separate=plan.separate
        ) as world:
            await _Teller(world, history).tell()
    except Exception:  # noqa: BLE001 - other histories go on
        history.broken = traceback.format_exc()
    history.seconds = time.monotonic() - began
    return history


class _Teller:
    """Runs the rounds. `cost` is the most that the actions since the last healing may cost."""

    def __init__(self, world: World, history: History) -> None:
        self._world = world
        self._history = history
        self._cost = Cost.NOTHING
        self._since_healing: list[Action] = []
        self._chance = random.Random(history.plan.seed)

    async def tell(self) -> None:
        if not await self._install():
            return
        for each in self._history.plan.rounds:
            seen = await self._round(each)
            if self._history.findings:
                break
            if seen.doubts and not await self._in_doubt(seen):
                break
        await self._end()

    async def _install(self) -> bool:
        world, history, plan = self._world, self._history, self._history.plan
        await world.crm.funnel.create(world.source)
        await world.write()
        if plan.early:
            await self._act(ACTIONS[plan.early])
        could_write = await self._can_write()
        try:
            await world.install()
        except PreconditionError as error:
            self._refused(str(error))
        if could_write and not await self._can_write():
            history.findings.append(Finding("the CRM cannot write", tuple(world.crm.refused)[-3:]))
        if history.end == "refused":
            return False
        world.start_worker()
        if not await world.proves():
            history.steps.append("nothing is proven at first")
        seen = await look(world)
        self._note("installed" + (f" after: {plan.early}" if plan.early else ""), seen)
        return not history.findings and (not seen.doubts or await self._in_doubt(seen))

    async def _can_write(self) -> bool:
        before = self._world.crm.refused.total()
        await self._world.write()
        return self._world.crm.refused.total() == before

    def _refused(self, reason: str) -> None:
        """Nothing harmless may be refused."""
        history = self._history
        history.end = "refused"
        history.steps.append(f"refused after {history.plan.early}: {reason}")
        if self._cost is Cost.NOTHING:
            history.findings.append(Finding("false doubt", (f"refused: {reason}",)))

    async def _round(self, each: Round) -> Look:
        world, chance = self._world, random.Random(each.seed)
        world.crm.reseed(each.seed)
        await world.write()
        await asyncio.sleep(chance.choice([0.0, 0.5, 1.5, 3.0]))
        await self._act(ACTIONS[each.action])
        await asyncio.sleep(chance.choice([0.0, 0.0, 1.0]))
        await world.write()
        seen = await look(world)
        self._note(each.action, seen)
        return seen

    async def _act(self, action: Action) -> None:
        self._history.done.append(action.name)
        self._cost = max(self._cost, action.cost)
        self._since_healing.append(action)
        try:
            await action.act(self._world)
        except (
            asyncpg.PostgresError,
            KafkaException,
            FunnelproofError,
            TimeoutError,
            AssertionError,
        ) as error:
            self._world.refused[f"{action.name}: {type(error).__name__}: {error}"] += 1

    async def _in_doubt(self, seen: Look) -> bool:
        """Follow the advice, go on in doubt, or end; return whether the history goes on."""
        history = self._history
        if self._cost is Cost.NOTHING:
            history.findings.append(Finding("false doubt", tuple(seen.doubts)))
            return False
        history.end = "in doubt"
        chosen = self._chance.random()
        if chosen >= FOLLOW + GO_ON:
            return False
        if chosen >= FOLLOW:
            return True
        mend = self._chance.random() < MEND
        done, healed = await follow(self._world, self._since_healing, mend=mend)
        self._note(done, healed)
        if mend and self._cost is Cost.COMPARISON and "began anew" in done:
            history.findings.append(Finding("costs too much", (done, *seen.doubts)))
        if not healed.doubts and not healed.findings:
            history.end = "proven"
            self._cost = Cost.NOTHING
            self._since_healing.clear()
        return not healed.findings

    async def _end(self) -> None:
        """Without a harmful action, `status` must be healthy at the end."""
        if self._history.findings or self._cost is not Cost.NOTHING:
            return
        status, troubles = await self._world.status()
        if status != 0:
            self._history.findings.append(Finding("false doubt", tuple(troubles)))

    def _note(self, what: str, seen: Look) -> None:
        history = self._history
        state = "in doubt" if seen.doubts else "proven"
        wrong = f", {seen.wrong} of {seen.windows} wrong" if seen.wrong else f", {seen.windows} right"
        why = f" ({'; '.join(seen.doubts)})" if seen.doubts else ""
        refused = [*self._world.refused]
        self._world.refused.clear()
        history.steps.append(
            f"{what}: {state}{wrong}{why}" + "".join(f"\n      refused: {r}" for r in refused)
        )
        history.windows = max(history.windows, seen.windows)
        history.findings += seen.findings


def shorter(plan: Plan, keep: Sequence[int]) -> Plan:
    """Return the plan with some of its rounds only."""
    rounds = tuple(each for each in plan.rounds if each.number in keep)
    return Plan(plan.name, plan.seed, plan.roles, plan.separate, plan.early, rounds)
