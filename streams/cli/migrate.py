"""`funnelproof migrate`: brings the schema up to date."""

from typing import Annotated

import typer

from streams.cdc.source import require_tables
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling
from streams.settings import Settings, load_settings
from streams.store.database import address, facts_connection, source_connection
from streams.store.installation import install
from streams.store.migrations import Migration

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the migrations, and write nothing.")]


def migrate(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Create or upgrade the schema in the database of the facts, and print every change to the CRM's schema.

    Safe to run twice, and safe in two processes at once.

    Example: `funnelproof migrate --dry-run`
    """
    settings = load_settings()
    migrations = run_telling("brings the schema up to date", _migrate(settings, dry_run=dry_run))
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "migrations": [{"name": str(each), "touches": each.touches} for each in migrations],
            }
        )
        return
    for line in _lines(migrations, address(settings.facts_dsn), dry_run=dry_run):
        stdout.print(line, markup=False, highlight=False, soft_wrap=True)


async def _migrate(settings: Settings, *, dry_run: bool) -> list[Migration]:
    async with source_connection(settings) as source, facts_connection(settings) as facts:
        await require_tables(source, settings, may_be_missing=True)
        return await install(source, facts, settings.instance, dry_run=dry_run)


def _lines(migrations: list[Migration], where: str, *, dry_run: bool) -> list[str]:
    if not migrations:
        return [f"{where} is up to date"]
    lines = [f"{where}: {'would apply' if dry_run else 'applied'}"]
    for migration in migrations:
        lines.append(f"  {migration}")
        lines += [f"    touches {effect}" for effect in migration.touches]
    return lines
