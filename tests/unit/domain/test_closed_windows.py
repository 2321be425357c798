"""Whatever happens to the log and to its workers, a closed window equals the definition over the log at its positions.

Everything is real but Postgres, whose part `Ledger` plays: partials behind their fence, closing and revisions.
"""

import asyncio

from hypothesis import HealthCheck, settings

from streams.domain.profile import Profile
from streams.domain.tally import TallyKey, WindowScope
from streams.domain.windows import to_microseconds
from streams.fold.observed import FlushTarget
from tests.depth import examples
from tests.fakes.ledger import Ledger, LedgerPartials, Run
from tests.machine.calendar import INSTALLED_AT, SCOPES, WINDOWS
from tests.machine.fleet import Fleet
from tests.machine.forgetting import ForgettingFleet

ALL = [
    WindowScope(scope, window)
    for scope in SCOPES
    for window in WINDOWS[scope.tenant_id]
    if window.end > to_microseconds(INSTALLED_AT)
]


class LedgerFleet(Fleet):
    """The steps of a fleet, on a Postgres that is a model, and that may go back to what it was."""

    def __init__(self) -> None:
        super().__init__(asyncio.new_event_loop())
        self.ledger = Ledger()
        self.backup = self.ledger.copy()
        self.checked: dict[WindowScope, list[Run]] = {}

    def teardown(self) -> None:
        super().teardown()
        self.loop.close()

    def partials(self) -> FlushTarget:
        return LedgerPartials(self.ledger)

    def told(self) -> dict[int, tuple[int, dict[TallyKey, Profile]]]:
        return {
            partition: (position, self.ledger.told(partition))
            for partition, position in self.ledger.positions.items()
        }

    def publish(self) -> None:
        until = to_microseconds(self.latest)
        self.ledger.close(where for where in ALL if where.window.end <= until)
        for where, runs in self.ledger.runs.items():
            known = self.checked.setdefault(where, [])
            assert [run.said for run in runs[: len(known)]] == [run.said for run in known]
            for run in [*runs[len(known) :], runs[-1]._replace(positions=self.ledger.positions)]:
                expected = self.expected(run.positions).items()
                assert run.profiles == {key: each for key, each in expected if key.where == where}
            self.checked[where] = list(runs)
        self.backup = self.ledger.copy()

    def restore(self) -> None:
        """Restore the Postgres of the last close; workers outlive that, unless they have slept for a compaction lag.

        A claim that the restored Postgres lacks is no fence: whoever made the claim is gone, or claims again within the
        lag.
        """
        survivors = [
            (seat, worker)
            for seat, worker in self.workers.items()
            if all(
                (owned.state.position if owned.active else owned.end) >= self.compacted[partition]
                for partition, owned in worker.processor.owned.items()
            )
        ]
        self.workers = dict(survivors)
        if not survivors:
            self.hire(0)
        vars(self.ledger).update(vars(self.backup.copy()))
        known = self.ledger.progress
        self.fence[:] = [
            max(known[each].claimed, known[each].position or 0) if each in known else 0
            for each in range(self.topic.partitions)
        ]
        self.checked = {where: list(runs) for where, runs in self.ledger.runs.items()}


LedgerFleet.TestCase.settings = settings(
    max_examples=examples(30),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestClosedWindows = LedgerFleet.TestCase


class ForgettingLedgerFleet(ForgettingFleet, LedgerFleet):
    """Whatever of the log is deleted, no closed window is revised by what is left."""


ForgettingLedgerFleet.TestCase.settings = LedgerFleet.TestCase.settings
TestClosedWindowsOfALogThatLosesItsBeginning = ForgettingLedgerFleet.TestCase
