"""`funnelproof top`: the live funnel of a pipeline in the terminal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from streams.cli.completing import pipelines, tenants, windows
from streams.cli.ending import until_told_to_end
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling, telling
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.terminal.following import Seen

_ASKS = "asks the report database"


@dataclass(frozen=True)
class Wanted:
    """The pipeline and the kind of window that a person has named."""

    tenant: str | None
    pipeline: str | None
    window: str | None


def top(
    pipeline: Annotated[
        str | None,
        typer.Option(help="The pipeline: label, part of a label, or id.", autocompletion=pipelines),
    ] = None,
    tenant: Annotated[
        str | None,
        typer.Option(help="The tenant: label, part of a label, or id.", autocompletion=tenants),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(help="The kind of window, as hour; default: day, or the first.", autocompletion=windows),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one picture and end, as without a terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the live funnel of a pipeline until Ctrl-C: counts, freshness, proof, closed windows, alerts.

    Reads the report database alone. Without --pipeline the only pipeline is shown. Exit status of --once and --json: 0
    if the numbers are live, 1 if they are late, not live, in doubt or still loading, as the second line says.

    Example: `funnelproof top --pipeline "New business" --window hour`
    """
    settings, wanted = load_settings(), Wanted(tenant, pipeline, window)
    if not (once or as_json) and stdout.is_terminal and not stdout.is_dumb_terminal:
        until_told_to_end(_follow(settings, wanted))
        return
    # Importing the page's queries takes as long as everything else; no other command should wait for the import.
    from streams.terminal.picture import Picture  # noqa: PLC0415 - see above

    seen = run_telling(_ASKS, _look(settings, wanted))
    if as_json:
        print_json(_as_json(seen))
    else:
        stdout.print(Picture(seen))
    raise typer.Exit(0 if seen.health.state == "live" else 1)


async def _look(settings: Settings, wanted: Wanted) -> "Seen":
    from streams.terminal.following import Follower  # noqa: PLC0415 - see `top`
    from streams.web.database import open_database  # noqa: PLC0415 - see `top`

    async with open_database(settings) as database:
        return (await Follower.begin(database, wanted.tenant, wanted.pipeline, wanted.window)).seen


async def _follow(settings: Settings, wanted: Wanted) -> None:
    from streams.terminal.following import Follower  # noqa: PLC0415 - see `top`
    from streams.terminal.picture import Picture  # noqa: PLC0415 - see `top`
    from streams.web.database import open_database  # noqa: PLC0415 - see `top`

    async with open_database(settings) as database:
        with telling(_ASKS):
            follower = await Follower.begin(database, wanted.tenant, wanted.pipeline, wanted.window)
        with Live(console=stdout, screen=True, auto_refresh=False) as live:
            await follower.follow(lambda seen: live.update(Picture(seen, "Ctrl-C ends"), refresh=True))


def _as_json(seen: "Seen") -> dict[str, object]:
    view = seen.view
    return {
        "tenant_id": seen.pipeline.tenant_id,
        "tenant": seen.pipeline.tenant,
        "pipeline_id": seen.pipeline.pipeline_id,
        "pipeline": seen.pipeline.pipeline,
        "window": seen.place.window,
        "health": seen.health.model_dump(mode="json"),
        "verdict": None if view is None else view.verdict.text,
        "funnel": None if view is None else view.funnel.model_dump(mode="json"),
        "missing": seen.missing or None,
        "alerts": [each.model_dump(mode="json") for each in seen.alerts],
    }
