"""`funnelproof alerts list` and `funnelproof alerts silence`."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from streams.alerts.listing import EvaluatorReading, Listing, add_silence, end_silence, read_listing
from streams.author import author as this_author
from streams.cli.narrowing import OnlyPipeline, OnlyTenant
from streams.cli.output import AsJson, print_json, stdout
from streams.cli.progress import run_telling
from streams.domain.duration import parse_duration
from streams.settings import load_settings
from streams.terminal.shapes import printable


def list_alerts(as_json: AsJson = False) -> None:
    """Show the alerts that are on, silences, and how often each rule has fired in 30 days.

    Exit status 1 while an alert fires or is held, or while nobody evaluates alerts.

    Example: `funnelproof alerts list`
    """
    found = run_telling("reads the alerts", read_listing(load_settings()))
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    on = any(alert["state"] in ("firing", "held") for alert in found.alerts)
    raise typer.Exit(1 if on or not _lives(found.evaluator) else 0)


def silence(
    reason: Annotated[str | None, typer.Option(help="Why, for everybody who reads the list.")] = None,
    length: Annotated[str, typer.Option("--for", help="How long, as 90m, 8h or 2d.")] = "8h",
    rule: Annotated[str | None, typer.Option(help="Only this rule.")] = None,
    tenant: OnlyTenant = None,
    pipeline: OnlyPipeline = None,
    end: Annotated[int | None, typer.Option(help="End this silence now instead of adding one.")] = None,
    author: Annotated[
        str | None, typer.Option(help="Who; default: user and machine, as ada@reports-1.")
    ] = None,
) -> None:
    """Silence alerts for a while: alerts are shown and published to Kafka, and no other receiver is told.

    An alert that still fires when the silence ends is told then.

    Example: `funnelproof alerts silence --for 2h --reason "import of old deals" --rule "conversion drops"`
    """
    settings = load_settings()
    if end is not None:
        run_telling("ends the silence", end_silence(settings, end))
        stdout.print(f"silence {end} ends now", highlight=False)
        return
    if not reason:
        raise typer.BadParameter('say why: --reason "..."')
    try:
        lasts = parse_duration(length)
    except ValueError as error:
        raise typer.BadParameter(f"--for {length}: {error}") from None
    if not lasts:
        raise typer.BadParameter("--for must be longer than 0")
    who = author or this_author()
    added = run_telling("adds the silence", add_silence(settings, rule, tenant, pipeline, lasts, reason, who))
    stdout.print(
        f"silence {added['silence_id']} until {added['ends_at'].isoformat(timespec='seconds')}",
        highlight=False,
    )


def _as_json(found: Listing) -> dict[str, object]:
    return {
        "evaluator": None if found.evaluator is None else asdict(found.evaluator),
        "alerts": found.alerts,
        "silences": found.silences,
        "fired_in_30_days": {
            rule: {"times": times, "most_in_a_pipeline": most} for rule, (times, most) in found.spent.items()
        },
    }


def _lives(evaluator: EvaluatorReading | None) -> bool:
    return evaluator is not None and evaluator.is_active


def _print(found: Listing) -> None:
    evaluator = found.evaluator
    if evaluator is None or not evaluator.is_active:
        _say("nobody evaluates alerts: start `funnelproof alerts run`", "red")
    elif evaluator.held is not None:
        _say(f"alerts are held since {_at(evaluator.held_since)}: {evaluator.held}", "yellow")
    else:
        _say(f"evaluated {evaluator.age:.0f} s ago by {evaluator.evaluator}", "dim")
    for mistake in evaluator.broken_rules if evaluator else ():
        _say(f"the rule file is broken, the former rules hold: {mistake}", "red")
    if found.alerts:
        table = Table(
            *(
                "state",
                "rule",
                "pipeline",
                "from -> to",
                "window",
                "entered",
                "converted",
                "expected",
                "odds",
                "since",
            ),
            box=None,
            padding=(0, 2, 0, 0),
        )
        for alert in found.alerts:
            table.add_row(*(escape(printable(cell)) for cell in _cells(alert)))
        stdout.print(table)
    else:
        stdout.print("no alert is on")
    for each in found.silences:
        scope = ", ".join(
            f"{name} {each[name]}" for name in ("rule", "tenant_id", "pipeline_id") if each[name]
        )
        _say(
            f"silence {each['silence_id']} ({scope or 'everything'}) until {_at(each['ends_at'])}, "
            f"by {each['author']}: {each['reason']}",
            "yellow",
        )
    for rule, (times, most) in found.spent.items():
        _say(f"{rule}: fired {times} times in 30 days, at most {most} times in a pipeline", "dim")


def _cells(alert: object) -> list[str]:
    assert isinstance(alert, dict)  # noqa: S101 - a row
    expected = alert["expected_count"]
    stages = [str(alert[f"{end}_stage"] or alert[f"{end}_stage_id"] or "") for end in ("from", "to")]
    return [
        alert["state"],
        alert["rule"],
        str(alert["pipeline"] or alert["pipeline_id"]),
        " -> ".join(stage for stage in stages if stage),
        f"{alert['window_name']} {_at(alert['window_start'])}",
        _number(alert["entered_count"]),
        _number(alert["converted_count"]),
        "" if expected is None else f"{expected:g} ({alert['expected_low']:g} to {alert['expected_high']:g})",
        "" if alert["odds"] is None else f"{alert['odds']:.0f} to 1",
        _at(alert["active_since"]),
    ]


def _number(value: object) -> str:
    return "" if value is None else str(value)


def _at(instant: object) -> str:
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def _say(text: str, style: str) -> None:
    stdout.print(printable(text), style=style, markup=False, highlight=False, soft_wrap=True)
