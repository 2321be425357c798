"""Stages of a pipeline, and the pairs of stages to report on, by default each stage and its successor."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from streams.domain.change import Scope

StagePairs = Mapping[Scope, tuple[tuple[str, str], ...]]
"""Pairs `(from_stage_id, to_stage_id)` by pipeline; an absent pipeline pairs every stage with its successor."""

_SHAPE = '"tenant/pipeline" = [["from stage", "to stage"], ...], all of them UUIDs'


@dataclass(frozen=True, order=True)
class Stage:
    """A stage of a pipeline. Stages are ordered by (`display_order`, `stage_id`): gaps and ties are harmless."""

    scope: Scope
    display_order: int
    stage_id: str
    name: str | None = None


def parse_stage_pairs(given: object) -> dict[Scope, tuple[tuple[str, str], ...]]:
    """Return the pairs in a setting's value; raises ValueError that lists every mistake."""
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r} is no table of pairs: write it as {_SHAPE}")  # noqa: TRY004 - for pydantic
    found: dict[Scope, tuple[tuple[str, str], ...]] = {}
    problems: list[str] = []
    for name, pairs in given.items():
        try:
            scope = Scope(*(_uuid(part) for part in _parts(name)))
            found[scope] = tuple(dict.fromkeys(_pairs(pairs)))
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _parts(name: object) -> tuple[str, str]:
    tenant, slash, pipeline = str(name).partition("/")
    if not slash:
        raise ValueError("names no pipeline, write it as tenant/pipeline")
    return tenant, pipeline


def _pairs(pairs: object) -> Iterator[tuple[str, str]]:
    if not isinstance(pairs, list | tuple) or not pairs:
        raise ValueError(f"has no list of pairs: write it as {_SHAPE}")
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"{pair!r} is no pair of stages")
        from_stage, to_stage = map(_uuid, pair)
        if from_stage == to_stage:
            raise ValueError(f"nothing converts from stage {from_stage} to itself")
        yield from_stage, to_stage


def _uuid(value: object) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is no UUID") from None
