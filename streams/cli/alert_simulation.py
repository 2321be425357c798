"""`funnelproof alerts simulate`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streams.alerts.notation import ANY, PairName, parse_pair, parse_share
from streams.cli.completing import pipelines as pipeline_names
from streams.cli.completing import tenants, windows
from streams.cli.instants import parse_instant
from streams.cli.output import AsJson, print_json
from streams.cli.progress import telling
from streams.domain.detection.shapes import SHAPES
from streams.domain.windows import to_microseconds
from streams.errors import SettingsError
from streams.settings import Settings, load_settings

_YEAR = ("2026-01-01", "2027-01-01")
_INSTANT = "a date or ISO 8601 instant; without an offset, in FUNNELPROOF_TIMEZONE"


def simulate(
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="INSTANT", help=f"Count from here on; before, learn: {_INSTANT}."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--to", metavar="INSTANT", help=f"Only windows that start before: {_INSTANT}."),
    ] = None,
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    tenant: Annotated[
        str | None,
        typer.Option(
            help="Only this tenant: id or label.",
            autocompletion=tenants,
        ),
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            help="Only this pipeline: id or label.",
            autocompletion=pipeline_names,
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Windows of this kind instead of the rule's, as hour.",
            autocompletion=windows,
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PAIR,SHARE,INSTANT", help='Inject a drop: "A -> B,30%,2026-10-01"; "*": all pairs.'
        ),
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help=f"Generated traffic instead of stored runs: {', '.join(SHAPES)}.")
    ] = None,
    pipelines: Annotated[int, typer.Option(min=1, help="With --shape: the pipelines.")] = 100,
    pairs: Annotated[int, typer.Option(min=1, help="With --shape: the pairs of each pipeline.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same chance.")] = 1,
    picture: Annotated[
        Path | None, typer.Option(help="Draw rates, bands and alerts into this SVG file.")
    ] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay stored runs, or generated traffic, through the rules: false alarms, and how soon drops are found.

    The code that looks live looks here. Nothing is stored and nobody is told.

    Example: `funnelproof alerts simulate --from 2026-08-01 --drop "Lead -> Demo,30%,2026-10-01" --picture drop.svg`
    """
    # Importing the detector takes as long as everything else: see `cli.alerts`.
    from streams.alerts.simulation.injection import Injection  # noqa: PLC0415 - see above
    from streams.alerts.simulation.picture import draw, panels_of  # noqa: PLC0415 - see above
    from streams.alerts.simulation.simulate import (  # noqa: PLC0415 - see above
        Wish,
        simulate_generated,
        simulate_stored,
    )
    from streams.alerts.simulation.source import GeneratedTraffic  # noqa: PLC0415 - see above
    from streams.cli.alert_figures import show_simulated, simulated_as_json  # noqa: PLC0415 - see above

    settings = load_settings()
    if shape is not None:
        if shape not in SHAPES:
            raise typer.BadParameter(f"--shape {shape}: name one of {', '.join(SHAPES)}")
        since, until = since or _YEAR[0], until or _YEAR[1]
    wish = Wish(
        now=to_microseconds(datetime.now(UTC)),
        since=_instant(since, "--from", settings),
        until=_instant(until, "--to", settings),
        rule=rule,
        tenant=tenant,
        pipeline=pipeline,
        window=window,
        injections=[Injection(*_injected(text, settings)) for text in drop or ()],
        seed=seed,
        draw=picture is not None,
        processes=processes,
    )
    with telling("replays windows") as tell:

        def show(played: int, parts: int) -> None:
            tell(done=played, total=parts)

        if shape is None:
            found = asyncio.run(simulate_stored(settings, wish, show))
        else:
            traffic = GeneratedTraffic(shape, seed, wish.since or 0, wish.until or 0)
            found = asyncio.run(simulate_generated(settings, wish, traffic, pipelines, pairs, show))
    if picture is not None:
        try:
            picture.write_text(draw(panels_of(found.parts)), "utf-8")
        except OSError as error:
            raise SettingsError(f"--picture {picture} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(simulated_as_json(found))
    else:
        show_simulated(found, picture)


def _instant(text: str | None, option: str, settings: Settings) -> int | None:
    return None if text is None else to_microseconds(parse_instant(text, option, settings.timezone))


def _injected(text: str, settings: Settings) -> tuple[PairName | str, float, int]:
    """Return part, share and beginning of a drop."""
    part, *others = text.rsplit(",", 2)
    if len(others) != 2:
        raise typer.BadParameter(f'--drop {text}: write it as "A -> B,30%,2026-10-01"')
    try:
        named = parse_pair(part) if "->" in part or part == ANY else part.strip()
        share = parse_share(others[0])
    except ValueError as error:
        raise typer.BadParameter(f"--drop {text}: {error}") from None
    if not 0 < share <= 1:
        raise typer.BadParameter(f"--drop {text}: the share is more than 0% and at most 100%")
    return named, share, to_microseconds(parse_instant(others[1].strip(), "--drop", settings.timezone))
