"""`python -m tests.mutations`: build in each fault of the list, and see that the tests catch the fault."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.mutations.catalogue import Mutant, mutants, page_table
from tests.mutations.scratch import Scratch, UnjudgedError
from tests.servers import CONNECT, KAFKA, POSTGRES, running_servers

console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
QUICK_SECONDS, THOROUGH_SECONDS = 120.0, 420.0


def main(
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only faults whose subject or name contains this; may be repeated."),
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Print the table of the docs, and run nothing.")
    ] = False,
) -> None:
    """Build in each fault of `tests/mutations/mutants.toml`, in a copy of the checkout, and run the fault's tests.

    At the end the tests that failed run once more, without a fault: a test that fails then has caught nothing.

    Example: `python -m tests.mutations --only fences`
    """
    subjects = mutants()
    if table:
        print(page_table(subjects))  # noqa: T201 - as it is, for the page
        return
    chosen = [
        each
        for subject, some in subjects.items()
        for each in some
        if any(part in f"{subject}: {each.name}" for part in only or [""])
    ]
    if not chosen:
        raise typer.BadParameter("no fault's subject or name contains this")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="funnelproof-mutants-")))
        environment: dict[str, str] = {}
        if any(each.needs_servers for each in chosen):
            servers = stack.enter_context(running_servers())
            environment = {
                POSTGRES: servers.postgres_dsn, KAFKA: servers.kafka, CONNECT: servers.connect_url,
            }  # fmt: skip
        survivors = _play(Scratch(folder / "copy", environment), chosen)
    if survivors:
        console.print(f"{len(survivors)} of {len(chosen)} faults not caught: {'; '.join(survivors)}")
    sys.exit(1 if survivors else 0)


def _play(scratch: Scratch, chosen: list[Mutant]) -> list[str]:
    """Print a table; return the names of the faults that no test has caught."""
    caught: dict[str, tuple[str, ...]] = {}
    survivors: list[str] = []
    table = Table("fault", "caught by", "run", "seconds", title="Faults and the tests that catch them")
    for number, mutant in enumerate(chosen, start=1):
        failed, seconds = _judge(scratch, mutant)
        told = failed[0].rpartition("/")[2] if failed else "NOT CAUGHT"
        console.print(f"{number}/{len(chosen)} {mutant.name}: {told}, {seconds:.0f} s", markup=False)
        table.add_row(mutant.name, told.replace("[", r"\["), mutant.run.strip("`"), f"{seconds:.0f}")
        caught[mutant.name] = failed
        if not failed:
            survivors.append(mutant.name)
    console.print(table)
    tests = sorted({test for failed in caught.values() for test in failed})
    console.print(f"the {len(tests)} tests that failed, without a fault")
    unfit = set(scratch.run(tests, THOROUGH_SECONDS + 10 * len(tests)).failed) if tests else set()
    for test in sorted(unfit):
        console.print(f"{test} fails without a fault, too", markup=False)
    return [*survivors, *(name for name, failed in caught.items() if unfit.intersection(failed))]


def _judge(scratch: Scratch, mutant: Mutant) -> tuple[tuple[str, ...], float]:
    """Return the tests that failed because of the fault, and the seconds."""
    marker = "thorough" if mutant.thorough else "not thorough"
    limit = THOROUGH_SECONDS if mutant.thorough else QUICK_SECONDS
    try:
        with scratch.fault(mutant):
            verdict = scratch.run(mutant.tests, limit, "-x", "-m", marker)
    except UnjudgedError as error:
        console.print(str(error), markup=False)
        return (), 0.0
    if not verdict.failed:
        console.print(verdict.last_lines, markup=False)
    return verdict.failed, verdict.seconds


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
