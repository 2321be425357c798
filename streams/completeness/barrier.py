"""Waits for the transactions that had written to the stage table when a window ended.

As `create index concurrently` does: note the transactions that hold a writer's lock, and wait until they have ended. A
transaction that holds none has written nothing yet; its later writes are revisions by definition.
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
    """Decides which due windows may close; a writer may hold a window back for `wait` at most.

    `waited` is for how many seconds the windows cleared last had been held back.
    """

    wait: timedelta
    waited: float = 0.0
    _waiting: dict[int, _Waiting] = field(default_factory=dict)
    _looked_at: datetime | None = None

    def cleared(
        self, source_time: datetime, holders: Mapping[str, OpenTransaction], due: Iterable[Window]
    ) -> tuple[list[Window], list[OpenTransaction]]:
        """Return the due windows that may close, and the transactions that were waited for in vain.

        `due` are windows whose end plus grace has passed at `source_time`, when `holders` held their locks.
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
        """Return the transactions that hold windows back now."""
        names = (
            set().union(*(waiting.holders for waiting in self._waiting.values())) if self._waiting else set()
        )
        return [self._aged(holders[name]) for name in sorted(names & holders.keys())]

    def _aged(self, holder: OpenTransaction) -> OpenTransaction:
        """Give a transaction whose age the source does not tell the time it has been waited for."""
        if holder.age is not None or self._looked_at is None:
            return holder
        since = min(each.since for each in self._waiting.values() if holder.virtual_id in each.holders)
        return replace(holder, age=(self._looked_at - since).total_seconds())
