"""A pipeline's stages, in whose order a funnel is reported on when no pairs are given."""

from dataclasses import dataclass

from streams.domain.change import Scope


@dataclass(frozen=True, order=True)
class Stage:
    """A stage of a pipeline. Stages follow each other by (`display_order`, `stage_id`): gaps and ties do not matter."""

    scope: Scope
    display_order: int
    stage_id: str
    name: str | None = None
