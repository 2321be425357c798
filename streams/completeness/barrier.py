"""The barrier: waits for the transactions that had written to the stage table when a window fell due.

A writer holds a lock on the stage table until the transaction ends. The barrier notes the lock holders, and waits until
the noted transactions have ended, as `create index concurrently` does. A transaction without the lock has written
nothing yet; later writes are revisions by definition.

Example: a window falls due at 12:00. Transaction A has written and is open; B begins to write at 12:01. The barrier
waits for A, not for B. A ends at 12:02, and the window may close.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from streams.domain.proof import OpenTransaction
from streams.domain.windows import Window


@dataclass
class _Waiting:
    since: datetime
    holders: set[str]


@dataclass
class Barrier:
    """Decides which due windows may close. Writers hold a window back for `wait` at most.

    `waited` is the longest wait, in seconds, of the windows cleared by the last call.
    """

    wait: timedelta
    waited: float = 0.0
    _waiting: dict[int, _Waiting] = field(default_factory=dict)
    _looked_at: datetime | None = None

    def cleared(
        self, source_time: datetime, holders: Mapping[str, OpenTransaction], due: Iterable[Window]
    ) -> tuple[list[Window], list[OpenTransaction]]:
        """Return the due windows that may close, and the transactions that are still open after `wait`.

        `due` are the open windows whose end plus grace has passed at `source_time`. `holders` are the writers at
        `source_time`, by virtual transaction id.
        """
        due = list(due)
        self._looked_at = source_time
        ends = {window.end for window in due}
        for end in self._waiting.keys() - ends:
            del self._waiting[end]
        passed: set[int] = set()
        self.waited = 0.0
        still_open: dict[str, OpenTransaction] = {}
        for end in ends:
            waiting = self._waiting.setdefault(end, _Waiting(source_time, set(holders)))
            waiting.holders &= holders.keys()
            if not waiting.holders:
                passed.add(end)
            elif source_time - waiting.since >= self.wait:
                passed.add(end)
                still_open.update((holder, self._aged(holders[holder])) for holder in waiting.holders)
            if end in passed:
                self.waited = max(self.waited, (source_time - waiting.since).total_seconds())
        return [window for window in due if window.end in passed], list(still_open.values())

    def waiting_for(self, holders: Mapping[str, OpenTransaction]) -> list[OpenTransaction]:
        """Return the transactions that hold due windows back now."""
        names = (
            set().union(*(waiting.holders for waiting in self._waiting.values())) if self._waiting else set()
        )
        return [self._aged(holders[name]) for name in sorted(names & holders.keys())]

    def _aged(self, holder: OpenTransaction) -> OpenTransaction:
        """Return the transaction with an age: if the source hides the age, the time that the barrier has waited."""
        if holder.age is not None or self._looked_at is None:
            return holder
        since = min(each.since for each in self._waiting.values() if holder.virtual_id in each.holders)
        return replace(holder, age=(self._looked_at - since).total_seconds())
