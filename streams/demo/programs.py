"""The programs of the demo: those of an installation on one machine, and an Alertmanager where one is installed."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.demo.alerting import alertmanager, write_rules
from streams.local import ports
from streams.operations.one_machine import OneMachine, Site
from streams.settings import PREFIX
from streams.supervising.lines import CommonLog
from streams.supervising.program import Program
from streams.supervising.supervisor import Supervisor

LOG = "programs.log"
"""The log of all programs, in the demo's data folder."""
_SITES = 3


@dataclass(frozen=True)
class DemoPrograms:
    """The programs of the demo by name, under one supervisor. `alertmanager` is its address, None without one."""

    supervisor: Supervisor
    programs: Mapping[str, Program]
    page: Site
    alertmanager: str | None

    def start(self, *names: str) -> None:
        """Start these programs of the demo, as far as there are such programs."""
        for name in names:
            if program := self.programs.get(name):
                self.supervisor.start(program)

    async def page_is_up(self) -> bool:
        """Return true if the page takes connections."""
        try:
            _, writer = await asyncio.open_connection(self.page.host, self.page.port)
        except OSError:
            return False
        writer.close()
        return True


@asynccontextmanager
async def demo_programs(variables: Mapping[str, str], folder: Path) -> AsyncIterator[DemoPrograms]:
    """Keep the started programs running for the length of an `async with` block, even if this process is killed.

    The programs have the settings `variables` alone, without the user's FUNNELPROOF variables and settings file.
    """
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    worker, alerts, page = (Site(ports.HOST, port) for port in ports.claim(folder / "sites.json", _SITES))
    machine = OneMachine({**others, **variables}, [worker], alerts=alerts, page=page, folder=folder)
    programs = {program.name: program for program in machine.programs()}
    address = None
    if found := alertmanager(folder):
        program, address = found
        programs[program.name] = program
    write_rules(folder / "alert-rules.toml", address)
    with (folder / LOG).open("a", encoding="utf-8") as stream:
        async with Supervisor(CommonLog(stream, "console", programs).write) as supervisor:
            yield DemoPrograms(supervisor, programs, page, address)
