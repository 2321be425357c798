"""Rows that are kept from one reading of a followed page to the next."""

from dataclasses import dataclass, field
from typing import Any

STABLE = frozenset(
    {"pipeline", "window_kinds", "latest_runs", "revisions", "facts", "run_profiles", "sealed"}
)
"""The statements that give the same rows until a run is published, names of stages and pipelines apart."""
KEPT_SECONDS = 10.0
"""Seconds after which everything is read anew: stages and names change without a run."""

Key = tuple[str, str]


@dataclass
class Memory:
    """Rows of STABLE statements, read at `since` or later. `of`: the last publication that a reader sees."""

    of: object = None
    since: float = float("-inf")
    rows: dict[Key, list[dict[str, Any]]] = field(default_factory=dict)

    def turn_to(self, of: object, now: float) -> None:
        """Forget rows that may not be those of a snapshot with the publications `of`."""
        if self.of != of or now - self.since > KEPT_SECONDS:
            self.of, self.since, self.rows = of, now, {}
