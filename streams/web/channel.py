"""A followed page, and the page's parts for the followers."""

import asyncio
from dataclasses import dataclass, field

from streams.web.followed import Followed

BETWEEN = 0.4
"""The least seconds between two readings of one page."""
TICK = 1.0
"""Seconds after which a follower is told how fresh the numbers are, changed or not."""
FRESHNESS = "freshness"
"""The part that every page has."""


@dataclass(eq=False)
class Channel:
    """A page that is followed: its parts as last read, and the number of the message that brought each part.

    `told`: the loop's time of the last word about the freshness. `shown`: the state of the database that the parts are
    of, read at `read_at`. `is_read`: the page is being read.
    """

    page: Followed
    followers: int = 0
    parts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    told: float = 0.0
    shown: object = None
    read_at: float = 0.0
    is_read: bool = False
    task: asyncio.Task[None] | None = None

    def is_due(self, state: object, now: float) -> bool:
        """Return True if the page must be read; `state` is the database's, `now` the loop's time."""
        age = now - self.read_at
        return (
            not self.is_read
            and age >= BETWEEN
            and (state != self.shown or (self.page.shows_ages and age >= TICK))
        )

    async def put(self, parts: dict[str, str]) -> None:
        """Take over the parts that differ, and wake the followers.

        The freshness is told again where it is the same: a page that hears nothing says that its server is gone.
        """
        new = {
            name: text for name, text in parts.items() if name == FRESHNESS or self.parts.get(name) != text
        }
        if not new:
            return
        if FRESHNESS in new:
            self.told = asyncio.get_running_loop().time()
        async with self.changed:
            number = max(self.numbers.values(), default=0) + 1
            self.parts |= new
            self.numbers |= dict.fromkeys(new, number)
            self.changed.notify_all()
