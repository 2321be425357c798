"""Simulations of rules: cut into parts, which are played in several processes."""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

from streams.alerts.evaluation.numbers import Names
from streams.alerts.evaluation.watch import HALF_LIVES
from streams.alerts.evaluation.watches import Wanted, wanted
from streams.alerts.notation import ANY
from streams.alerts.rule_file import read_rules
from streams.alerts.rules import Rule, Rules, TrafficRule
from streams.alerts.scope import Funnels, Stream, read_funnels
from streams.alerts.simulation.figures import Figures, figures_of
from streams.alerts.simulation.injection import Injection
from streams.alerts.simulation.playing import Part, Played, play
from streams.alerts.simulation.source import GeneratedTraffic, Source, StoredRuns, generated_funnels
from streams.domain.change import Scope
from streams.domain.detection.season import season_of
from streams.domain.plan import WindowPlan
from streams.domain.windows import Zone, window_kind
from streams.errors import SettingsError
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan

PIPELINES = 50
"""Pipelines of a part. The size is fixed, so a seed gives the same losses and the same traffic on every machine."""
_ALWAYS = -(2**62)


@dataclass(frozen=True)
class Wish:
    """The subject of a simulation. None: every rule, tenant and pipeline; the rules' own windows; from and until ever.

    Instants are microseconds. `draw`: keep what a picture needs. `processes` work at the same time; None: one a core.
    """

    now: int
    since: int | None = None
    until: int | None = None
    rule: str | None = None
    tenant: str | None = None
    pipeline: str | None = None
    window: str | None = None
    injections: Sequence[Injection] = ()
    seed: int = 1
    draw: bool = False
    processes: int | None = None


@dataclass(frozen=True)
class Simulated:
    """The findings of a simulation: the figures of each rule, and the parts."""

    figures: Sequence[Figures]
    parts: Sequence[Played]


OnPlayed = Callable[[int, int], None]
"""Called with the number of played parts and the number of parts, in any thread."""


async def simulate_stored(settings: Settings, wish: Wish, on_played: OnPlayed = lambda *_: None) -> Simulated:
    """Replay the stored runs of an installation. Rules learn from the history before `since`, as live.

    Raises WrongRulesError with every mistake of the rule file, SettingsError for a name that is not there,
    UnreachableError and PreconditionError.
    """
    rules = _chosen(settings, wish)
    if wish.window is not None and wish.window not in settings.windows:
        raise SettingsError(
            f"no {wish.window} windows are stored: name one of FUNNELPROOF_WINDOWS ({', '.join(settings.windows)})"
        )
    async with facts_connection(settings) as report:
        await require_installation(report, settings.instance)
        known = await read_funnels(report)
        plan = await recorded_plan(report, settings.windows)

    def source_of(want: Wanted) -> Source:
        return StoredRuns(settings, _learned_from(want, wish.since), wish.until)

    return await asyncio.to_thread(_simulate, rules, wish, known, plan, source_of, on_played)


async def simulate_generated(
    settings: Settings,
    wish: Wish,
    traffic: GeneratedTraffic,
    pipelines: int,
    pairs: int,
    on_played: OnPlayed = lambda *_: None,
) -> Simulated:
    """Let the rules look at generated pipelines, all of them at each. The raised errors are those of the rule file."""
    everywhere = {"tenants": (ANY,), "pipelines": (ANY,)}
    rules = Rules(
        rule=tuple(
            rule.model_copy(
                update=everywhere | {("stages" if isinstance(rule, TrafficRule) else "pairs"): (ANY,)}
            )
            for rule in _chosen(settings, wish).rule
        )
    )
    names = tuple({rule.window for rule in rules.rule})
    plan = WindowPlan(names, (Zone(None, "UTC"),))
    known = generated_funnels(pipelines, pairs)
    return await asyncio.to_thread(_simulate, rules, wish, known, plan, lambda _: traffic, on_played)


def _chosen(settings: Settings, wish: Wish) -> Rules:
    """Return the rules of the file that are simulated."""
    rules = read_rules(settings.alert_rules, settings.windows)
    chosen = [rule for rule in rules.rule if wish.rule in (None, rule.name)]
    if not chosen:
        raise SettingsError(
            f'no rule is called "{wish.rule}": name one of {", ".join(rule.name for rule in rules.rule)}'
            if rules.rule
            else "there is no rule: FUNNELPROOF_ALERT_RULES names a file with rules"
        )
    if wish.window is not None:
        chosen = [rule.model_copy(update={"window": wish.window}) for rule in chosen]
    return Rules(rule=tuple(chosen))


def _simulate(
    rules: Rules,
    wish: Wish,
    known: Funnels,
    plan: WindowPlan,
    source_of: Callable[[Wanted], Source],
    on_played: OnPlayed,
) -> Simulated:
    wants = [
        replace(want, streams=[stream for stream in want.streams if _is_wished(stream.scope, wish, known)])
        for want in wanted(rules, known, plan, wish.now)[0]
    ]
    some = [(want, source_of(want)) for each in wants for want in _cut(each)]
    if not some:
        raise SettingsError("the rules cover nothing that was asked for: see `funnelproof alerts check`")
    since = _ALWAYS if wish.since is None else wish.since
    names = Names.among(known)
    parts = [
        Part(number, want, source, wish.injections, names, wish.seed, since, wish.draw)
        for number, (want, source) in enumerate(some)
    ]
    played = _play_all(parts, wish.processes or os.cpu_count() or 1, on_played)
    by_rule: dict[str, tuple[Rule, list[Played]]] = {}
    for each in played:
        rule = each.part.wanted.rule
        by_rule.setdefault(rule.name, (rule, []))[1].append(each)
    return Simulated([figures_of(rule, own) for rule, own in by_rule.values()], played)


def _is_wished(scope: Scope, wish: Wish, known: Funnels) -> bool:
    labels = known.labels
    return wish.tenant in (None, scope.tenant_id, labels.tenants.get(scope.tenant_id)) and wish.pipeline in (
        None,
        scope.pipeline_id,
        labels.pipelines.get(scope.pipeline_id),
    )


def _cut(want: Wanted) -> list[Wanted]:
    """Return a watch in parts of PIPELINES pipelines: pipelines have nothing to do with each other."""
    by_scope: dict[Scope, list[Stream]] = {}
    for stream in want.streams:
        by_scope.setdefault(stream.scope, []).append(stream)
    scopes = list(by_scope)
    return [
        replace(want, streams=[stream for scope in scopes[at : at + PIPELINES] for stream in by_scope[scope]])
        for at in range(0, len(scopes), PIPELINES)
    ]


def _learned_from(want: Wanted, since: int | None) -> int | None:
    """Return the instant from which history is read: as much as a live watch learns from."""
    if since is None:
        return None
    window = want.rule.window
    season = season_of(window, want.timezone, window_kind(window, "UTC").length)
    return since - HALF_LIVES * season.half_life


def _play_all(parts: Sequence[Part], processes: int, on_played: OnPlayed) -> list[Played]:
    """Play the parts, several at the same time."""
    if min(len(parts), processes) == 1:
        return _counted(map(_play, parts), len(parts), on_played)
    with ProcessPoolExecutor(min(len(parts), processes), mp_context=get_context("spawn")) as pool:
        return _counted(pool.map(_play, parts), len(parts), on_played)


def _counted(playing: Iterable[Played], parts: int, on_played: OnPlayed) -> list[Played]:
    played: list[Played] = []
    for each in playing:
        played.append(each)
        on_played(len(played), parts)
    return played


def _play(part: Part) -> Played:
    return asyncio.run(play(part))
