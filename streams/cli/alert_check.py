"""The findings of `funnelproof alerts check`, for people and for programs."""

from rich.markup import escape
from rich.table import Table

from streams.alerts.checking import CheckedFile, CheckedRule
from streams.alerts.rules import BelowRule, Rule, TrafficRule
from streams.alerts.scope import Funnels, Stream
from streams.alerts.sight import HORIZONS, Sight
from streams.cli.output import stdout
from streams.terminal.shapes import printable

_SHOWN = 40
"""The number of shown streams of a rule; `--json` has every stream."""


def checked_as_json(found: CheckedFile) -> dict[str, object]:
    """Return the rules for JSON, a rule with the streams that the rule covers."""
    return {
        "sound": found.is_sound,
        "pipelines": len(found.known.funnels),
        "rules": [_rule_as_json(each, found.known) for each in found.rules],
    }


def _rule_as_json(checked: CheckedRule, known: Funnels) -> dict[str, object]:
    rule, coverage = checked.rule, checked.coverage
    return {
        **rule.model_dump(
            mode="json", by_alias=True, include={"name", "kind", "window", "severity", "receivers"}
        ),
        "fires_when": _condition(rule),
        "can_fire": checked.can_fire,
        "covers": [
            {
                "tenant_id": scope.tenant_id,
                "tenant": known.labels.tenant(scope.tenant_id),
                "pipeline_id": scope.pipeline_id,
                "pipeline": known.labels.pipeline(scope.pipeline_id),
                "streams": [
                    _stream_as_json(stream, known) | _sight_as_json(checked.sights.get(stream))
                    for stream in streams
                ],
                "threshold": checked.threshold(len(streams)),
            }
            for scope, streams in coverage.by_pipeline.items()
        ],
        "invalid": [each._asdict() for each in coverage.invalid],
    }


def _stream_as_json(stream: Stream, known: Funnels) -> dict[str, object]:
    told: dict[str, object] = {
        "from_stage_id": stream.from_stage,
        "from_stage": known.stages.get(stream.from_stage),
    }
    if stream.to_stage is not None:
        told |= {"to_stage_id": stream.to_stage, "to_stage": known.stages.get(stream.to_stage)}
    return told


def _sight_as_json(sight: Sight | None) -> dict[str, object]:
    if sight is None:
        return {}
    return {
        "windows_learned": sight.windows,
        "learning": not sight.is_learned,
        "entered_a_window": round(sight.entered, 2),
        "rate": None if sight.rate is None else round(sight.rate, 4),
        "variation": round(sight.variation, 3),
        "smallest_drop": None if sight.smallest is None else {str(n): d for n, d in sight.smallest.items()},
        "can_fire": sight.can_fire,
    }


def show_checked(found: CheckedFile) -> None:
    """Print the rules as tables, then a line for every trouble."""
    table = Table(
        "rule", "kind", "window", "fires when", "covers", "receivers", box=None, padding=(0, 2, 0, 0)
    )
    for each in found.rules:
        rule = each.rule
        receivers = ", ".join(rule.receivers) or "the page alone"
        cells = (rule.name, rule.kind, rule.window, _condition(rule), _extent(each), receivers)
        table.add_row(*(escape(printable(cell)) for cell in cells))
    if found.rules:
        stdout.print(table)
    else:
        stdout.print("no rules: nothing is watched")
    if not found.known.funnels:
        _tell("no pipeline is known yet: start a worker, and check again after the worker's first proof")
    for each in found.rules:
        if each.sights:
            _print_sights(each, found.known)
    for each in found.rules:
        for part in each.coverage.invalid:
            _tell(f"rule {each.rule.name}: {part.part} {part.name} is invalid: {part.reason}")
        if found.known.funnels and not each.can_fire:
            why = "the rule covers nothing in this installation"
            if each.coverage.streams:
                why = "at this traffic no drop makes evidence, however long the drop lasts"
            _tell(f"rule {each.rule.name} can never fire: {why}")


def _print_sights(checked: CheckedRule, known: Funnels) -> None:
    """Print what a rule sees; the streams with the least traffic first, since a rule sees least there."""
    horizons = [f"seen in {number} window{'s' * (number > 1)}" for number in HORIZONS]
    table = Table(
        *("pipeline", "from -> to", "learned", "entered", "rate", "variation", *horizons),
        title=escape(printable(checked.rule.name)),
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    sights = sorted(checked.sights.values(), key=lambda sight: sight.entered)
    for sight in sights[:_SHOWN]:
        table.add_row(*(escape(printable(cell)) for cell in _sight(sight, known)))
    stdout.print(table)
    if len(sights) > _SHOWN:
        stdout.print(f"and {len(sights) - _SHOWN} streams with more traffic: see --json", highlight=False)


def _sight(sight: Sight, known: Funnels) -> list[str]:
    stages = [stage for stage in (sight.stream.from_stage, sight.stream.to_stage) if stage]
    if sight.smallest is None:
        seen = ["learning"] + [""] * (len(HORIZONS) - 1)
    elif not sight.can_fire:
        seen = ["never"] + [""] * (len(HORIZONS) - 1)
    else:
        seen = ["nothing" if drop is None else _percent(round(drop, 2)) for drop in sight.smallest.values()]
    return [
        known.labels.pipeline(sight.stream.scope.pipeline_id),
        " -> ".join(known.stages.get(stage) or stage for stage in stages),
        f"{sight.windows} windows",
        f"{sight.entered:.3g}",
        "" if sight.rate is None else f"{sight.rate:.1%}",
        f"{sight.variation:.0%}",
        *seen,
    ]


def _tell(trouble: str) -> None:
    stdout.print(f"! {printable(trouble)}", style="red", markup=False, highlight=False, soft_wrap=True)


def _condition(rule: Rule) -> str:
    match rule:
        case BelowRule():
            return f"rate below {_percent(rule.rate)}, with {rule.min_entered} entered"
        case TrafficRule():
            fall = f"entries fall by {_percent(rule.drop)}"
        case _:
            fall = f"conversion falls by {_percent(rule.drop)}"
    return f"{fall}; false alarms: {rule.false_alarms}"


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"


def _extent(checked: CheckedRule) -> str:
    streams = checked.coverage.streams
    what = "stages" if isinstance(checked.rule, TrafficRule) else "pairs"
    pipelines = checked.coverage.by_pipeline
    tenants = {scope.tenant_id for scope in pipelines}
    return f"{len(streams)} {what} in {len(pipelines)} pipelines of {len(tenants)} tenants"
