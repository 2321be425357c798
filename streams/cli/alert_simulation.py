"""`funnelproof alerts simulate`."""

import asyncio
from datetime import UTC, datetime
from math import inf, isfinite
from pathlib import Path
from typing import Annotated

import typer

from streams.alerts.notation import ANY, parse_pair, parse_share
from streams.alerts.simulation.figures import Figures, Found
from streams.alerts.simulation.injection import Injection
from streams.alerts.simulation.picture import draw, panels_of
from streams.alerts.simulation.playing import Played
from streams.alerts.simulation.simulate import Simulated, Wish, simulate_generated, simulate_stored
from streams.alerts.simulation.source import GeneratedTraffic
from streams.cli.instants import parse_instant
from streams.cli.output import AsJson, print_json, printable, stdout
from streams.domain.detection.generated import SHAPES
from streams.domain.windows import from_microseconds, to_microseconds
from streams.errors import SettingsError
from streams.settings import Settings, load_settings

_TOLD = 30
"""Transitions that are printed; `--json` prints all."""
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
    tenant: Annotated[str | None, typer.Option(help="Only this tenant: id or label.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline: id or label.")] = None,
    window: Annotated[
        str | None, typer.Option(help="Windows of this kind instead of the rule's, as hour.")
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
        injections=[_injection(text, settings) for text in drop or ()],
        seed=seed,
        draw=picture is not None,
        processes=processes,
    )
    if shape is None:
        found = asyncio.run(simulate_stored(settings, wish))
    else:
        traffic = GeneratedTraffic(shape, seed, wish.since or 0, wish.until or 0)
        found = asyncio.run(simulate_generated(settings, wish, traffic, pipelines, pairs))
    if picture is not None:
        try:
            picture.write_text(draw(panels_of(found.parts)), "utf-8")
        except OSError as error:
            raise SettingsError(f"--picture {picture} cannot be written: {error.strerror}") from None
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found, picture)


def _instant(text: str | None, option: str, settings: Settings) -> int | None:
    return None if text is None else to_microseconds(parse_instant(text, option, settings.timezone))


def _injection(text: str, settings: Settings) -> Injection:
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
    return Injection(
        named, share, to_microseconds(parse_instant(others[1].strip(), "--drop", settings.timezone))
    )


def _as_json(found: Simulated) -> dict[str, object]:
    return {
        "rules": [
            {
                **_figures_as_json(each),
                "transitions": [
                    told
                    for played in found.parts
                    if played.part.wanted.rule.name == each.rule.name
                    for told in _transitions(played)
                ],
            }
            for each in found.figures
        ]
    }


def _figures_as_json(each: Figures) -> dict[str, object]:
    a_month, low, high = each.a_month or (None, None, None)
    return {
        "name": each.rule.name,
        "kind": each.rule.kind,
        "window": each.rule.window,
        "pipelines": each.pipelines,
        "streams": each.streams,
        "windows": each.windows,
        "from": None if each.first is None else from_microseconds(each.first),
        "to": None if each.last is None else from_microseconds(each.last),
        "alarms_without_drop": {
            "count": each.alarms,
            "pipeline_months": round(each.months, 2),
            "a_month": a_month,
            "low": low,
            "high": high,
            "budget_a_month": each.budget,
        },
        "injected": [_found_as_json(drop) for drop in each.found],
    }


def _found_as_json(drop: Found) -> dict[str, object]:
    low, high = drop.median_interval
    return {
        "share": drop.share,
        "since": from_microseconds(drop.since),
        "streams": len(drop.delays),
        "already_firing": drop.already_firing,
        "found": drop.count,
        "share_found": drop.share_found,
        "median_windows": _finite(drop.median),
        "median_low": _finite(low),
        "median_high": _finite(high),
        "delays_in_windows": [_finite(delay) for delay in drop.delays],
    }


def _finite(value: float) -> float | None:
    return round(value, 3) if isfinite(value) else None


def _transitions(played: Played) -> list[dict[str, object]]:
    return [
        {
            "at": from_microseconds(seen.at),
            "step": step,
            "window_start": from_microseconds(seen.start),
            "window_end": from_microseconds(seen.end),
            "tenant_id": stream.scope.tenant_id,
            "pipeline_id": stream.scope.pipeline_id,
            "pipeline": seen.evidence.pipeline,
            "from_stage_id": stream.from_stage,
            "from_stage": seen.evidence.from_stage,
            "to_stage_id": stream.to_stage,
            "to_stage": seen.evidence.to_stage,
            "entered": seen.evidence.entered,
            "converted": seen.evidence.converted,
            "expected": seen.evidence.expected,
            "low": seen.evidence.low,
            "high": seen.evidence.high,
            "odds": seen.evidence.odds,
            "reason": seen.evidence.reason,
        }
        for stream, step, seen in played.decided
    ]


def _print(found: Simulated, picture: Path | None) -> None:
    for each in found.figures:
        span = "" if each.first is None or each.last is None else f", {_at(each.first)} to {_at(each.last)}"
        _say(
            f"{each.rule.name}: {each.streams} {'stages' if each.rule.kind == 'traffic' else 'pairs'} in "
            f"{each.pipelines} pipelines, {each.windows} windows of {each.rule.window}{span}"
        )
        _say(f"  alarms without an injected drop: {_alarms(each)}")
        for drop in each.found:
            _say(f"  injected {drop.share:.0%} from {_at(drop.since)}: {_delay(drop)}")
    told = [one for played in found.parts for one in _transitions(played)]
    told.sort(key=lambda one: str(one["at"]))
    for one in told[:_TOLD]:
        pair = " -> ".join(
            str(one[f"{end}_stage"] or one[f"{end}_stage_id"])
            for end in ("from", "to")
            if one[f"{end}_stage_id"]
        )
        _say(
            f"  {one['at']:%Y-%m-%d %H:%M} {one['step']} {pair} of {one['pipeline'] or one['pipeline_id']}: "
            f"{one['converted']} of {one['entered']}, expected {one['expected']}"
        )
    if len(told) > _TOLD:
        _say(f"  and {len(told) - _TOLD} further transitions: see --json")
    if picture is not None:
        _say(f"drawn: {picture}")


def _alarms(each: Figures) -> str:
    if each.a_month is None:
        return "nothing was learned, so no alert could fire: simulate a longer time"
    a_month, low, high = each.a_month
    budget = "" if each.budget is None else f"; the rule allows {each.budget:.3g}"
    return (
        f"{each.alarms} in {each.months:.1f} pipeline-months, {a_month:.2f} a pipeline and month "
        f"(95 %: {low:.2f} to {high:.2f}){budget}"
    )


def _delay(drop: Found) -> str:
    if not drop.delays:
        return "alerts fired already"
    low, high = drop.share_found
    told = f"found {drop.count} of {len(drop.delays)} (95 %: {low:.0%} to {high:.0%})"
    if drop.median < inf:
        first, last = drop.median_interval
        around = f"{first:.2f} to {last:.2f}" if last < inf else f"from {first:.2f}"
        told += f", median {drop.median:.2f} windows (95 %: {around})"
    return told + (f"; {drop.already_firing} fired already" if drop.already_firing else "")


def _at(instant: int) -> str:
    return f"{from_microseconds(instant):%Y-%m-%d %H:%M}"


def _say(text: str) -> None:
    stdout.print(printable(text), markup=False, highlight=False, soft_wrap=True)
