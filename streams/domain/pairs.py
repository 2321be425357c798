"""Which stage follows which: the pairs a funnel is reported on when none are given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

from streams.domain.change import Scope


@dataclass(frozen=True, order=True)
class Stage:
    """A stage of a pipeline. Stages follow each other by (`display_order`, `stage_id`): gaps and ties do not matter."""

    scope: Scope
    display_order: int
    stage_id: str
    name: str | None = None


def consecutive_pairs(stages: Iterable[Stage]) -> Mapping[Scope, list[tuple[str, str]]]:
    """Return per pipeline each stage with its follower; a pipeline of one stage has an empty list."""
    ordered = sorted(stages, key=lambda stage: (stage.scope, stage.display_order, stage.stage_id))
    return {
        scope: [(a.stage_id, b.stage_id) for a, b in pairwise(group)]
        for scope, group in groupby(ordered, key=lambda stage: stage.scope)
    }
