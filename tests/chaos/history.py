"""History from before the installation, closed by `funnelproof backfill` bit by bit, while faults happen."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.domain.windows import from_microseconds, to_microseconds
from tests.integration.stream.installation import Installation

SPAN = timedelta(seconds=60)
"""How much more each run closes."""


@dataclass
class History:
    """The history from `begin` to `end`, of which all windows are closed."""

    installation: Installation
    begin: datetime
    end: datetime

    @asynccontextmanager
    async def growing(self) -> AsyncIterator[None]:
        """Close more of it beside the block, then what the block kept it from closing; all of it is closed then."""
        self.begin -= SPAN
        command = ("backfill", "--from", self.begin.isoformat(), "--to", self.end.isoformat(), "--json")
        beside = asyncio.create_task(asyncio.to_thread(self.installation.run, *command))
        try:
            yield
        finally:
            await beside  # it may have failed: servers and workers are away
        done = await asyncio.to_thread(self.installation.run, *command)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        fixed = [kind.length for kind in self.installation.settings.window_kinds if kind.length]
        begin, end = to_microseconds(self.begin), to_microseconds(self.end)
        assert told["windows_closed"] + told["already_closed"] == sum(
            end // length - -(-begin // length) for length in fixed
        ), told


async def history_before(installation: Installation) -> History:
    """Return the history that ends where the workers' first windows begin; nothing of it is closed."""
    installed = await installation.connection.fetchval("select installed_at from funnelproof.installation")
    starts = [
        kind.window_at(to_microseconds(installed)).start
        for kind in installation.settings.window_kinds
        if kind.length
    ]
    return History(installation, from_microseconds(min(starts)), from_microseconds(max(starts)))
