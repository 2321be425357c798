"""`funnelproof revise`."""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Annotated
from uuid import UUID

import typer

from streams.cli.instants import parse_instant
from streams.cli.output import AsJson, print_json, stderr, stdout
from streams.errors import PreconditionError
from streams.publish.revising import RevisionProgress, request_present_pairs, revision_progress
from streams.resources import sql
from streams.settings import Settings, load_settings
from streams.store.closed_scope import ClosedScope
from streams.store.database import Connection, facts_connection, source_connection
from streams.store.installation import require_installation

PATIENCE = 60.0
"""Seconds without any progress after which no worker is expected to publish."""
_POLL = 0.2


@dataclass(frozen=True)
class Revised:
    """How many windows of pipelines had other pairs than those of now, and how many were revised."""

    requested: int
    revised: int
    seconds: float


def revise(
    start: Annotated[str, typer.Option("--from", help="Windows that start at or after this instant.")],
    end: Annotated[str, typer.Option("--to", help="Windows that end at or before this instant.")],
    window: Annotated[str | None, typer.Option(help="Only this window kind, as hour or 15s.")] = None,
    tenant: Annotated[UUID | None, typer.Option(help="Only this tenant.")] = None,
    pipeline: Annotated[UUID | None, typer.Option(help="Only this pipeline.")] = None,
    as_json: AsJson = False,
) -> None:
    """Publish closed windows with the pairs of stages as they are now, as their next revision (`pairs_changed`).

    Windows that have them already are left as they are. The workers publish; this waits for them.

    Example: `funnelproof revise --from 2026-11-01 --to 2026-12-01 --window day`
    """
    settings = load_settings()
    scope = ClosedScope(
        tenant,
        pipeline,
        window,
        parse_instant(start, "--from", settings.timezone),
        parse_instant(end, "--to", settings.timezone),
    )
    revised = asyncio.run(_revise(settings, scope))
    if as_json:
        print_json(asdict(revised))
    else:
        stdout.print(f"revised {revised.revised} runs in {revised.seconds:.1f} s")


async def _revise(settings: Settings, scope: ClosedScope) -> Revised:
    began = time.monotonic()
    async with facts_connection(settings) as facts:
        await require_installation(facts, settings.instance)
        await _stages_are_read(settings, facts)
        since = await facts.fetchval("select clock_timestamp()")
        requested = await request_present_pairs(facts, scope)
        progress, moved = RevisionProgress(requested, 0), time.monotonic()
        with stderr.status("") as spinner:
            while progress.waiting:
                await asyncio.sleep(_POLL)
                now = await revision_progress(facts, since)
                progress, moved = now, time.monotonic() if now != progress else moved
                spinner.update(f"{progress.revised} runs revised, {progress.waiting} to come")
                if time.monotonic() - moved > PATIENCE:
                    raise PreconditionError(
                        f"{progress.waiting} windows wait to be revised and no worker publishes: see "
                        "`funnelproof status`; the requests are kept, and done by the next worker that runs"
                    )
    return Revised(requested, progress.revised, time.monotonic() - began)


async def _stages_are_read(settings: Settings, facts: Connection) -> None:
    """Wait for a proof that begins after now, since it brings the CRM's stages as they are."""
    async with source_connection(settings) as source:
        now = await source.fetchval("select clock_timestamp()")
    deadline = time.monotonic() + PATIENCE
    while not await facts.fetchval(sql("queries/publish/proven_since"), now):
        if time.monotonic() > deadline:
            raise PreconditionError(
                "no worker proves anything, so the pairs of now are not known: see `funnelproof status`"
            )
        await asyncio.sleep(_POLL)
