"""A session of histories: some at a time, each told in a line; findings are shrunk; a summary at the end."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from tests.servers import Servers
from tests.source_changes.history import History, run, shorter
from tests.source_changes.making import template_of
from tests.source_changes.plan import Plan

SHRUNK = 6
"""The most findings that are shrunk. Two findings differ in kind or last action."""


@dataclass
class Session:
    """Runs plans on one set of servers. `kept` has the logs of the histories with findings."""

    servers: Servers
    folder: Path
    kept: Path
    console: Console
    jobs: int
    verbose: bool = False
    histories: list[History] = field(default_factory=list)

    async def run(self, plans: Sequence[Plan], *, shrink: bool) -> None:
        """Run every plan; with `shrink`, then look for a shorter plan with an equal finding."""
        waiting = iter(plans)
        async with template_of(self.servers) as template:
            workers = [asyncio.create_task(self._work(waiting, template)) for _ in range(self.jobs)]
            try:
                await asyncio.gather(*workers)
                if shrink:
                    await self._shrink(template)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self, waiting: Iterator[Plan], template: str) -> None:
        for plan in waiting:
            history = await self._run(plan, template)
            self.histories.append(history)
            self._tell(history)

    async def _run(self, plan: Plan, template: str) -> History:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            history = await run(plan, self.servers, template, Path(folder))
            if not history.is_right:
                shutil.copytree(folder, self.kept / plan.name, dirs_exist_ok=True)
            return history

    def _tell(self, history: History) -> None:
        what = ", ".join(sorted({finding.kind for finding in history.findings})) or history.end
        if history.broken is not None:
            what = "BROKEN"
        self.console.print(
            f"{history.plan.seed:>8} {history.seconds:4.0f} s  {what:12} {history.windows:3} windows  "
            + "; ".join(history.done),
            markup=False,
        )
        if self.verbose or not history.is_right:
            self.console.print(story(history), markup=False)

    async def _shrink(self, template: str) -> None:
        """Run histories with findings again with fewer rounds; tell the shortest plan with an equal finding."""
        wrong = {(each.findings[0].kind, each.done[-1]): each for each in self.histories if each.findings}
        for (kind, action), history in list(wrong.items())[:SHRUNK]:
            shortest = await self._shortest(history, kind, template)
            self.console.print(
                f"{kind} ({action}), the shortest: --replay {shortest.seed}"
                f" --rounds {','.join(str(each.number) for each in shortest.rounds) or 'none'}",
                markup=False,
            )

    async def _shortest(self, history: History, kind: str, template: str) -> Plan:
        done = len(history.done) - bool(history.plan.early)
        plan = shorter(history.plan, [each.number for each in history.plan.rounds[:done]])
        numbers = [each.number for each in plan.rounds]
        candidates = [numbers[-1:], *([n for n in numbers if n != left] for left in numbers[:-1])]
        for kept in candidates if len(numbers) > 1 else []:
            if not set(kept) < {each.number for each in plan.rounds}:
                continue
            again = await self._run(shorter(plan, kept), template)
            if any(finding.kind == kind for finding in again.findings):
                plan = again.plan
                if len(kept) == 1:
                    break
        return plan

    def summary(self) -> list[str]:
        """Return lines about the histories' ends, actions and findings."""
        all_of = self.histories
        ends = Counter(each.end for each in all_of if each.is_right)
        done = Counter(name for each in all_of for name in each.done)
        found = Counter(finding.kind for each in all_of for finding in each.findings)
        lines = [
            f"{len(all_of)} histories: " + ", ".join(f"{times} ended {end}" for end, times in ends.items()),
            f"{done.total()} actions of {len(done)} kinds, {sum(each.windows for each in all_of)} results compared",
            f"findings: {', '.join(f'{times} {kind}' for kind, times in found.items()) or 'none'}",
            f"broken: {sum(each.broken is not None for each in all_of)}",
        ]
        lines += [
            f"  {kind}: {each.plan.seed}: {' > '.join(each.done)}"
            for kind in found
            for each in all_of
            if any(finding.kind == kind for finding in each.findings)
        ]
        return lines


def story(history: History) -> str:
    """Return the rounds of a history, and the findings with evidence."""
    plan = history.plan
    installed = [name for name in ("roles", "separate") if getattr(plan, name)]
    lines = [f"   {plan.name} {' '.join(installed)}", *(f"   {step}" for step in history.steps)]
    for finding in history.findings:
        lines += [f"   {finding.kind.upper()}", *(f"      {detail}" for detail in finding.details)]
    if history.broken is not None:
        lines.append(history.broken)
    return "\n".join(lines)
