"""The pages that can be followed: the data that a page reads, and the parts that are pushed."""

import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Protocol

from streams.web.database import Reading
from streams.web.history import History
from streams.web.lists import read_alert_board
from streams.web.memory import Memory
from streams.web.operation_model import Comparisons
from streams.web.operations import read_operations
from streams.web.place import Address
from streams.web.render import render_alerts, render_operations, render_parts
from streams.web.scope import DEALS, Scope
from streams.web.view import read_view

COMPARED_SECONDS = 10.0
"""Seconds for which the page for engineers shows the comparisons that were read."""


class Followed(Protocol):
    """A page that can be followed. `shows_ages`: the page changes with time alone, so it is read every second."""

    scope: Scope
    shows_ages: ClassVar[bool]

    @property
    def key(self) -> object:
        """The key that pages with the same bytes share."""

    async def parts(self, read: Reading) -> dict[str, str]:
        """Return the parts, by name."""


@dataclass(eq=False)
class PipelinePage:
    """The page of a pipeline. Closed windows are read anew if a run was published since, and now and then.

    Whether a run was published is read in the same snapshot: a window that closes is open or closed, never neither.
    """

    scope: Scope
    address: Address
    shows_ages: ClassVar[bool] = False
    _memory: Memory = field(default_factory=Memory)
    _history: tuple[float, History] | None = None

    @property
    def key(self) -> object:
        """Tenants, permissions, and the address."""
        return self.scope.setting, DEALS in self.scope.may, self.scope.operates, self.address

    async def parts(self, read: Reading) -> dict[str, str]:
        """Return the parts, by name."""
        pulse = await read.row("pulse")
        self._memory.turn_to(pulse and (pulse["epoch"], pulse["published"]), time.monotonic())
        read.remember(self._memory)
        version = self._memory.since
        known = self._history[1] if self._history and self._history[0] == version else None
        scope = self.scope
        view = await read_view(
            read, self.address, known, shows_deals=DEALS in scope.may, operates=scope.operates
        )
        self._history = version, view.history
        return render_parts(view)


@dataclass(eq=False)
class AlertsPage:
    """The page of alerts. Alerts change without a flush or a run."""

    scope: Scope
    shows_ages: ClassVar[bool] = True

    @property
    def key(self) -> object:
        """Tenants."""
        return "alerts", self.scope.setting

    async def parts(self, read: Reading) -> dict[str, str]:
        """Return the parts, by name."""
        return render_alerts(await read_alert_board(read))


@dataclass(eq=False)
class OperationsPage:
    """The page for engineers. `grace` is that of the settings. Comparisons are read anew every COMPARED_SECONDS."""

    scope: Scope
    grace: timedelta
    shows_ages: ClassVar[bool] = True
    _compared: Comparisons | None = None
    _compared_at: float = 0.0

    @property
    def key(self) -> object:
        """The page is the same for everybody who may see the page."""
        return "operations"

    async def parts(self, read: Reading) -> dict[str, str]:
        """Return the parts, by name."""
        now = time.monotonic()
        known = self._compared if now - self._compared_at < COMPARED_SECONDS else None
        found = await read_operations(read, self.grace, known)
        if known is None:
            self._compared, self._compared_at = found.comparisons, now
        return render_operations(found)
