"""The findings of `funnelproof alerts simulate`, for people and for programs."""

from math import inf, isfinite
from pathlib import Path

from streams.alerts.simulation.figures import Figures, Found
from streams.alerts.simulation.playing import Played
from streams.alerts.simulation.simulate import Simulated
from streams.cli.output import stdout
from streams.domain.windows import from_microseconds
from streams.terminal.shapes import printable

_TOLD = 30
"""The number of printed transitions; `--json` prints every transition."""


def simulated_as_json(found: Simulated) -> dict[str, object]:
    """Return figures and transitions of each rule as JSON has them."""
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


def show_simulated(found: Simulated, picture: Path | None) -> None:
    """Print the figures of each rule, the first transitions, and where the picture is."""
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
