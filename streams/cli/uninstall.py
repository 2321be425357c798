"""`funnelproof uninstall`: removes everything that funnelproof has made."""

from contextlib import AsyncExitStack
from typing import Annotated

import typer

from streams.cli.output import AsJson, ask, print_json, stdout
from streams.cli.progress import run_telling
from streams.operations.uninstall import Uninstall
from streams.settings import Settings, load_settings


def uninstall(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would go, and remove nothing.")
    ] = False,
    keep_facts: Annotated[
        bool, typer.Option("--keep-facts", help="Keep the runs and facts in the report's tables.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Go on although workers live.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove everything that funnelproof has made, in both databases, in Kafka, in Connect and on this machine.

    Checks every right, prints what goes and what stays, and asks. Without --keep-facts the facts go, too.

    Example: `funnelproof uninstall --dry-run`
    """
    settings = load_settings()
    goes, stays = run_telling("looks for what is there", _look(settings, keep_facts=keep_facts, force=force))
    if not as_json:
        for title, lines in (("goes", goes), ("stays", stays)):
            for line in lines:
                stdout.print(f"{title}: {line}", markup=False, highlight=False, soft_wrap=True)
    if not dry_run:
        ask(
            f"Remove all this of the installation {settings.instance}?",
            yes=yes,
            otherwise="give --yes to remove all this",
        )
        goes = run_telling("removes", _remove(settings, keep_facts=keep_facts, force=force))
    if as_json:
        print_json({"dry_run": dry_run, "removed": goes, "left": stays})
    elif not dry_run:
        stdout.print(f"removed {len(goes)} things")


async def _look(settings: Settings, *, keep_facts: bool, force: bool) -> tuple[list[str], list[str]]:
    async with AsyncExitStack() as stack:
        plan = await Uninstall.plan(settings, stack, keep_facts=keep_facts, force=force)
        return plan.lines, plan.left


async def _remove(settings: Settings, *, keep_facts: bool, force: bool) -> list[str]:
    async with AsyncExitStack() as stack:
        return await (await Uninstall.plan(settings, stack, keep_facts=keep_facts, force=force)).run()
