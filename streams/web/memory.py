"""Rows that are kept from one reading of a followed page to the next."""

from dataclasses import dataclass, field
from typing import Any

STABLE = frozenset(
    {"pipeline", "window_kinds", "latest_runs", "revisions", "facts", "run_profiles", "sealed"}
)
"""The statements that give the same rows until a run is published, names of stages and pipelines apart."""
SETTLED_SECONDS = 10.0
"""Seconds for which nothing is kept after a publication has begun: its number is seen before its commit is."""
KEPT_SECONDS = 10.0
"""Seconds after which everything is read anew: stages and names change without a run."""

Key = tuple[str, str]


@dataclass
class Memory:
    """Rows of STABLE statements. `of`: the last publication that had begun, first seen at `changed`."""

    of: object = None
    changed: float = float("-inf")
    since: float = float("-inf")
    rows: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)

    def turn_to(self, of: object, now: float) -> None:
        """Forget rows that may not be those of a snapshot with the publications `of`."""
        if self.of != of:
            self.of, self.changed = of, now
        if now - self.changed < SETTLED_SECONDS or now - self.since > KEPT_SECONDS:
            self.since, self.rows = now, {}
