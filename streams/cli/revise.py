"""`funnelproof revise`."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from streams.cli.instants import parse_instant
from streams.cli.narrowing import OnlyPipeline, OnlyTenant, OnlyWindow
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import telling
from streams.operations.living import with_workers
from streams.publish.revising import RevisionProgress, revise_to_present_pairs
from streams.settings import load_settings
from streams.store.closed_scope import ClosedScope


def revise(
    start: Annotated[str, typer.Option("--from", help="Windows that start at or after this instant.")],
    end: Annotated[str, typer.Option("--to", help="Windows that end at or before this instant.")],
    window: OnlyWindow = None,
    tenant: OnlyTenant = None,
    pipeline: OnlyPipeline = None,
    as_json: AsJson = False,
) -> None:
    """Publish closed windows with the present pairs of stages, as the next revision (`pairs_changed`).

    Windows that already have the present pairs stay unchanged. The workers publish; the command waits for the workers.

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
    with telling("revises runs") as tell:

        def show(done: RevisionProgress) -> None:
            tell(done=done.revised, total=done.revised + done.waiting)

        revised = asyncio.run(with_workers(settings, lambda: revise_to_present_pairs(settings, scope, show)))
    if as_json:
        print_json(asdict(revised))
    else:
        stdout.print(f"revised {revised.revised} runs in {revised.seconds:.1f} s")
