"""`python -m tests.source_changes --histories 200 --seed 7 --jobs 4`: no result called proven may be wrong.

A history sets a whole installation up, lets a CRM write, and does things to the source, the capture, the log and the
facts. `tests/source_changes/look.py` defines what is wrong.
"""

import asyncio
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.servers import embedded_servers
from tests.source_changes.catalogue import ACTIONS
from tests.source_changes.history import shorter
from tests.source_changes.plan import Plan, plan
from tests.source_changes.session import Session

console = Console(highlight=False, soft_wrap=True)


def main(
    histories: Annotated[int, typer.Option(min=1, help="How many histories.")] = 200,
    seed: Annotated[int | None, typer.Option(help="The same seed: the same actions and writes.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=8, help="How many histories at a time.")] = 4,
    only: Annotated[str, typer.Option(help="Begin with actions whose name contains this.")] = "",
    replay: Annotated[str, typer.Option(help="One history again, as 7/13: seed and number.")] = "",
    rounds: Annotated[str, typer.Option(help="With --replay: only these rounds, as 1,3.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", help="Tell every round.")] = False,
    shrink: Annotated[bool, typer.Option(help="Look for the shortest history of a finding.")] = True,
) -> None:
    """Change the source under running installations, and hold every result called proven to the canonical SQL.

    Example: `python -m tests.source_changes --histories 20 --seed 7 --jobs 3`
    """
    chosen = secrets.randbelow(10_000) if seed is None else seed
    plans = [plan(chosen, number, only) for number in range(histories)]
    if replay:
        plans = [_again(replay, only, rounds)]
    console.print(f"{len(plans)} histories, {len(ACTIONS)} actions; seed {chosen}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends workers and servers, as Ctrl-C does
    kept = Path(tempfile.mkdtemp(prefix="funnelproof-source-changes-"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, embedded_servers() as servers:
        assert servers.postgres_dsn
        assert servers.connect_url
        session = Session(servers, Path(folder), kept, console, jobs, verbose or bool(replay))
        try:
            asyncio.run(session.run(plans, shrink=shrink and not replay))
        finally:
            for line in session.summary():
                console.print(line, markup=False)
    console.print(f"{time.monotonic() - began:.0f} s; seed {chosen}; logs of what went wrong: {kept}")
    sys.exit(0 if all(each.is_right for each in session.histories) else 1)


def _again(history: str, only: str, rounds: str) -> Plan:
    seed, number = map(int, history.split("/"))
    found = plan(seed, number, only)
    if not rounds:
        return found
    return shorter(found, [] if rounds == "none" else [int(each) for each in rounds.split(",")])


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
