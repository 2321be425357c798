"""Alerts at a glance, for `status` and the metrics: who evaluates, how many alerts are on, what waits for whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streams.alerts.delivery.reading import ReceiverReading, read_receivers
from streams.alerts.listing import EvaluatorReading, read_evaluator
from streams.alerts.rule_file import WrongRulesError, read_rules
from streams.resources import sql
from streams.store.database import Connection

STATES = ("firing", "pending", "held", "silenced")
"""The states of the alerts that are on."""


@dataclass(frozen=True)
class Overview:
    """`states` has the number of alerts of each of STATES; `receivers` has those of the rule file, and the topic."""

    evaluator: EvaluatorReading | None = None
    states: Mapping[str, int] = field(default_factory=dict)
    receivers: Sequence[ReceiverReading] = ()

    @property
    def is_evaluated(self) -> bool:
        """True while a process evaluates."""
        return self.evaluator is not None and self.evaluator.is_active


async def read_overview(report: Connection, receivers: Sequence[str]) -> Overview:
    """Return what is on now. `receivers` are the names of the rule file."""
    counts = {row["state"]: row["alerts"] for row in await report.fetch(sql("queries/alerts/state_counts"))}
    return Overview(
        await read_evaluator(report),
        {state: counts.get(state, 0) for state in STATES},
        await read_receivers(report, receivers),
    )


def receiver_names(path: Path | None, windows: Sequence[str]) -> Sequence[str]:
    """Return the receivers of a rule file; of a file that cannot be used, none."""
    try:
        return sorted(read_rules(path, windows).receivers)
    except WrongRulesError:
        return ()
