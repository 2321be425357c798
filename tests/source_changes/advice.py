"""Follows the advice of `status`, as an operator would: reconcile, repair, or begin anew, until results are proven."""

import asyncio
import re
from collections.abc import Sequence

from tests.source_changes.action import Action
from tests.source_changes.look import Finding, Look, look
from tests.source_changes.world import World

ANEW = "funnelproof rebuild"
RETRY = "funnelproof dead-letters retry"
SQL = re.compile(r"(?:drop publication|grant|alter table|alter publication|drop trigger) [^`;:]+")
"""The statements that `status` and a refusal name."""
REFUSALS = 4
COMPARE = "run `funnelproof reconcile`: an equal one settles it"


async def follow(world: World, actions: list[Action], *, mend: bool) -> tuple[str, Look]:
    """Put the source right (if `mend`), then do as `status` says; return what was done, and a look at the end.

    Where the source was put right, results must be proven and right again, or the look has the finding `unhealed`.
    """
    if mend:
        for action in reversed(actions):
            for statement in action.mend:
                await world.execute(statement)
    if world.roles and mend:  # a worker asks only once a minute for a right that it lacked
        await world.stop_workers()
        world.start_worker()
    world.keep_a_worker()
    await world.proves(seconds=8)
    _, troubles = await world.status()
    done = ["mended"] if mend and any(action.mend for action in actions) else []
    equal = False
    if any(RETRY in trouble for trouble in troubles):
        done.append(f"retried ({(await world.run('dead-letters', 'retry', admin=True)).returncode})")
        _, troubles = await world.status()
    if not any(ANEW in trouble and COMPARE not in trouble for trouble in troubles):
        reconciled = await world.run("reconcile")
        done.append(f"reconciled ({reconciled.returncode})")
        equal = reconciled.returncode == 0 and (await world.status())[0] == 0
        if reconciled.returncode == 1:
            repaired = await world.run("reconcile", "--repair", "--yes")
            done.append(f"repaired ({repaired.returncode})")
            equal = repaired.returncode == 0 and (await world.status())[0] == 0
    last = ""
    if not equal:
        last = await _begin_anew(world, troubles)
        done.append(f"began anew ({last})")
    seen = await look(world)
    if mend and (seen.doubts or seen.wrong):
        _, troubles = await world.status()
        seen.findings.append(Finding("unhealed", (*done, *seen.doubts, *troubles)))
    return ", ".join(done), seen


async def _begin_anew(world: World, troubles: Sequence[str]) -> str:
    await _obey(world, "\n".join(troubles))
    refused = ""
    for _ in range(REFUSALS):
        rebuilding = asyncio.create_task(world.run("rebuild", "--yes", admin=True))
        while not rebuilding.done():
            world.keep_a_worker()
            await asyncio.wait([rebuilding], timeout=0.5)
        done = await rebuilding
        if done.returncode != 2:
            return f"reconciled ({done.returncode})"
        refused = done.stderr.strip()
        if not await _obey(world, refused):
            break
    return f"rebuild: {refused}"


async def _obey(world: World, told: str) -> bool:
    """Run the SQL that `told` names; return True if there was any. Postgres may refuse a part of the advice."""
    found = SQL.findall(told)
    for statement in found:
        await world.execute(statement.replace("{", "{{").replace("}", "}}"))
    return bool(found)
