"""The streams that a rule covers in an installation, and the parts of the rule that name something unknown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from sys import intern
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from streams.alerts.notation import ANY, PairName
from streams.alerts.rules import Rule, TrafficRule
from streams.domain.change import Scope
from streams.resources import sql
from streams.store.database import Connection, fetch_in_batches
from streams.store.labels import Labels, known_labels


@dataclass(frozen=True)
class Funnel:
    """A pipeline: the names of its stages by id, in order, and the pairs of stages that it is reported on."""

    scope: Scope
    stages: Mapping[str, str | None]
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Funnels:
    """All pipelines of an installation, and the labels of tenants and pipelines."""

    funnels: Sequence[Funnel]
    labels: Labels

    @cached_property
    def stages(self) -> Mapping[str, str | None]:
        """The names of all stages by id."""
        return {stage: name for funnel in self.funnels for stage, name in funnel.stages.items()}


class Stream(NamedTuple):
    """A subject of a rule: a pair of stages of a pipeline, or the entries into a stage (`to_stage` None)."""

    scope: Scope
    from_stage: str
    to_stage: str | None


class Invalid(NamedTuple):
    """A part of a rule that names something unknown, and covers nothing; the rest of the rule is in force."""

    part: Literal["tenant", "pipeline", "pair", "stage"]
    name: str
    reason: str


@dataclass(frozen=True)
class Coverage:
    """The streams of a rule, and the invalid parts."""

    streams: Sequence[Stream] = ()
    invalid: Sequence[Invalid] = ()

    @property
    def by_pipeline(self) -> Mapping[Scope, Sequence[Stream]]:
        """The streams of each pipeline: a budget of false alarms is a pipeline's."""
        found: dict[Scope, list[Stream]] = {}
        for stream in self.streams:
            found.setdefault(stream.scope, []).append(stream)
        return found


async def read_funnels(report: Connection) -> Funnels:
    """Return the pipelines with stages and pairs as the last proof has read them, and the labels."""
    funnels: list[Funnel] = []

    def take(rows: Iterable[asyncpg.Record]) -> None:
        funnels.extend(map(_funnel, rows))

    await fetch_in_batches(report, take, sql("queries/alerts/funnels"))
    return Funnels(funnels, await known_labels(report))


def _funnel(row: asyncpg.Record) -> Funnel:
    """Return the pipeline of a row. Equal texts are one object, in several readings too."""
    stages, *ends = (map(intern, row[name]) for name in ("stage_ids", "from_stages", "to_stages"))
    names = (name and intern(name) for name in row["stage_names"])
    return Funnel(
        Scope(intern(row["tenant_id"]), intern(row["pipeline_id"])),
        dict(zip(stages, names, strict=True)),
        list(zip(*ends, strict=True)),
    )


def cover(rule: Rule, known: Funnels) -> Coverage:
    """Return the streams of `rule`. Without a known pipeline nothing can be called invalid yet.

    Names are ids or labels, in exact spelling; a label of several tenants, pipelines or stages means all of them. A
    part is invalid if it matches nothing. A pair or a stage is invalid in a single pipeline if the rule names the
    pipeline; with pipelines `"*"`, the pair need not be in every pipeline.
    """
    if not known.funnels:
        return Coverage()
    tenants, pipelines = _Names(rule.tenants), _Names(rule.pipelines)
    covered = [
        funnel
        for funnel in known.funnels
        if tenants.match(funnel.scope.tenant_id, known.labels.tenants.get(funnel.scope.tenant_id))
        and pipelines.match(funnel.scope.pipeline_id, known.labels.pipelines.get(funnel.scope.pipeline_id))
    ]
    streams: list[Stream] = []
    lacking: dict[str, list[str]] = {}  # by part of the rule: the reason of every pipeline without the part
    for funnel in covered:
        found, missing = _in_funnel(rule, funnel)
        streams += found
        for part, reason in missing.items():
            lacking.setdefault(part, []).append(f"{_pipeline(funnel.scope, known.labels)} {reason}")
    invalid = [
        *(Invalid("tenant", name, _nobody("tenant", known.labels.tenants)) for name in tenants.missed()),
        *(
            Invalid("pipeline", name, _nobody("pipeline", known.labels.pipelines))
            for name in pipelines.missed()
        ),
        *_invalid_parts(rule, lacking, len(covered)),
    ]
    return Coverage(streams, invalid)


class _Names:
    """Names of a rule, and the names that matched."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {_canonical(name): name for name in names}
        self._matched: set[str] = set()

    def match(self, identifier: str, label: str | None) -> bool:
        if ANY in self._names:
            return True
        found = {key for key in (identifier, label and label.strip()) if key in self._names}
        self._matched |= found
        return bool(found)

    def missed(self) -> list[str]:
        return [name for key, name in self._names.items() if key != ANY and key not in self._matched]


def _canonical(name: str) -> str:
    """Return an id in the form of the database, and a label without blanks around it."""
    try:
        return str(UUID(name))
    except ValueError:
        return name.strip()


def _in_funnel(rule: Rule, funnel: Funnel) -> tuple[list[Stream], dict[str, str]]:
    """Return the streams of `rule` in a pipeline, and the parts that the pipeline lacks, each with the reason."""
    streams: dict[Stream, None] = {}
    missing: dict[str, str] = {}
    for part in rule.stages if isinstance(rule, TrafficRule) else rule.pairs:
        found = list(_streams(part, rule, funnel))
        if not found and part != ANY:
            missing[str(part)] = _lack(part, funnel)
        streams |= dict.fromkeys(found)
    return list(streams), missing


def _streams(part: PairName | str, rule: Rule, funnel: Funnel) -> Iterator[Stream]:
    if isinstance(part, PairName):
        into, out = _stages(part.from_stage, funnel), _stages(part.to_stage, funnel)
        yield from (
            Stream(funnel.scope, *pair) for pair in funnel.pairs if pair[0] in into and pair[1] in out
        )
    elif isinstance(rule, TrafficRule):
        yield from (Stream(funnel.scope, stage, None) for stage in _stages(part, funnel))
    else:
        yield from (Stream(funnel.scope, *pair) for pair in funnel.pairs)


def _stages(name: str, funnel: Funnel) -> list[str]:
    wanted = _Names([name])
    return [stage for stage, label in funnel.stages.items() if wanted.match(stage, label)]


def _lack(part: PairName | str, funnel: Funnel) -> str:
    names = (part.from_stage, part.to_stage) if isinstance(part, PairName) else (part,)
    absent = [name for name in names if not _stages(name, funnel)]
    if absent:
        return f"has no stage {' and no stage '.join(absent)}"
    return "is not reported on this pair: add the pair to FUNNELPROOF_STAGE_PAIRS"


def _nobody(kind: str, labels: Mapping[str, str]) -> str:
    if labels:
        return f"no {kind} of the rule has this id or label"
    return f"no {kind} of the rule has this id, and there are no labels: set FUNNELPROOF_LABELS_SQL"


def _pipeline(scope: Scope, labels: Labels) -> str:
    return f"pipeline {labels.pipeline(scope.pipeline_id)} of {labels.tenant(scope.tenant_id)}"


def _invalid_parts(rule: Rule, lacking: Mapping[str, Sequence[str]], covered: int) -> Iterator[Invalid]:
    kind: Literal["stage", "pair"] = "stage" if isinstance(rule, TrafficRule) else "pair"
    for part, reasons in lacking.items():
        if rule.pipelines != (ANY,) or covered == 1:
            yield from (Invalid(kind, part, reason) for reason in reasons)
        elif len(reasons) == covered:
            yield Invalid(kind, part, f"none of {covered} pipelines has it; for example, {reasons[0]}")
