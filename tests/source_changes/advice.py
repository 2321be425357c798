"""Follows the advice of `status`, as an operator would: reconcile, or begin anew, until results are proven again."""

import re

from tests.source_changes.action import Action
from tests.source_changes.look import Finding, Look, look
from tests.source_changes.world import World

ANEW = "connector delete --topics"
SQL = re.compile(r"(?:drop publication|grant|alter table|alter publication|drop trigger) [^`;:()]+")
"""The statements that a refusal names."""
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
    if not any(ANEW in trouble and COMPARE not in trouble for trouble in troubles):
        reconciled = await world.run("reconcile")
        done.append(f"reconciled ({reconciled.returncode})")
        equal = reconciled.returncode == 0 and (await world.status())[0] == 0
    last = ""
    if not equal:
        last = await _begin_anew(world)
        done.append(f"began anew ({last})")
    seen = await look(world)
    if mend and (seen.doubts or seen.wrong):
        _, troubles = await world.status()
        seen.findings.append(Finding("unhealed", (*done, *seen.doubts, *troubles)))
    return ", ".join(done), seen


async def _begin_anew(world: World) -> str:
    await world.stop_workers()
    for command in (("connector", "delete", "--topics"), ("connector", "apply")):
        if refused := await _obeying(world, *command):
            world.start_worker()
            return f"{' '.join(command)}: {refused}"
    world.start_worker()
    if not await world.proves():
        return "nothing is proven"
    reconciled = await world.run("reconcile")
    return f"reconciled ({reconciled.returncode})"


async def _obeying(world: World, *command: str) -> str:
    """Run a command; where the command refuses and names SQL, run the SQL and ask again. Return the last refusal."""
    refused = ""
    for _ in range(REFUSALS):
        done = await world.run(*command, admin=True)
        if done.returncode == 0:
            return ""
        refused = done.stderr.strip()
        found = SQL.findall(refused)
        if not found:
            break
        for statement in found:
            await world.execute(statement.replace("{", "{{").replace("}", "}}"))
    return refused
