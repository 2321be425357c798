"""The current epoch, held by the living workers. Another epoch becomes current only after the last holder has ended.

A worker lives as long as the worker's session in the report database. The session ends with the process, even with a
killed process; no clock is asked. The session holds a shared advisory lock, and a change of the epoch needs the lock
exclusively. Example: workers A and B count `hour` windows. Worker C with `day` windows is refused while A or B lives.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

import asyncpg

from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection, OwnConnection, close_soon, connect
from streams.store.epoch import STATE_FORMAT, Epoch, begin_epoch, require_current_epoch, tzdata_version
from streams.store.keep_trying import Trouble, keep_trying

EVERY = 1.0
"""Seconds between two checks that the session still lives."""
ANSWER_SECONDS = 10.0
NAME_LENGTH = 63
"""The most characters of an application name: Postgres cuts a longer name."""


class HeldEpoch:
    """A worker's hold on the worker's epoch, in a session for the hold alone.

    `trouble` has the reason why the session is lost, if it is lost.
    """

    def __init__(
        self, dsn: str, setting: str, epoch: Callable[[Connection], Awaitable[Epoch]], name: str
    ) -> None:
        self._dsn = dsn
        self._setting = setting
        self._make = epoch
        self._epoch: Epoch | None = None
        self._name = name[:NAME_LENGTH]
        self._session: OwnConnection | None = None
        self.trouble = Trouble("the hold on the epoch was lost")

    async def acquire(self) -> Epoch:
        """Make the worker's epoch the current epoch, hold and return the epoch.

        Raises PreconditionError if a living worker holds another epoch, UnreachableError as `connect` does. An error
        rolls back every note in the report database that was written to make the epoch.
        """
        session = await self._connect()
        try:
            async with session.transaction():
                await session.execute(sql("queries/store/epoch_order"))
                epoch = await self._make(session)
                await _become_current(session, epoch)
                await session.execute(sql("queries/store/epoch_hold"))
        except BaseException:
            session.terminate()
            raise
        self._session, self._epoch = session, epoch
        return epoch

    async def keep(self) -> None:
        """Hold the epoch again after a lost session; never returns.

        Raises PreconditionError if another epoch has become the current epoch in the meantime.
        """
        await keep_trying(self._look, self.trouble, EVERY)

    async def close(self) -> None:
        """Let the epoch go."""
        if self._session is not None:
            await close_soon(self._session)

    async def _look(self) -> None:
        if self._session is not None:
            try:
                await self._session.fetchval("select true")
            except BaseException:
                self._session.terminate()
                self._session = None
                raise
            return
        session = await self._connect()
        try:
            async with session.transaction():
                await session.execute(sql("queries/store/epoch_order"))
                if self._epoch is not None:
                    await require_current_epoch(session, self._epoch)
                await session.execute(sql("queries/store/epoch_hold"))
        except BaseException:
            session.terminate()
            raise
        self._session = session

    async def _connect(self) -> OwnConnection:
        session = await connect(
            self._dsn, self._setting, application_name=self._name, command_timeout=ANSWER_SECONDS
        )
        await session.execute(sql("queries/store/epoch_keepalive"))
        return session


async def _become_current(session: OwnConnection, epoch: Epoch) -> None:
    if await session.fetchval(sql("queries/store/epoch_is_current"), epoch.id):
        return
    if not await session.fetchval(sql("queries/store/epoch_acquire")):
        await require_free_epoch(session, epoch)
        raise PreconditionError("workers with other settings come and go: start this one again")
    await begin_epoch(session, epoch)
    await session.execute(sql("queries/store/epoch_release"))


async def living_workers(connection: Connection) -> list[str]:
    """Return the names of the sessions in which living workers hold the epoch."""
    return [row["worker"] for row in await connection.fetch(sql("queries/store/epoch_holders"))]


def worker_names(sessions: Iterable[str], instance: str, known: Collection[str]) -> list[str]:
    """Return the workers behind `sessions` of `living_workers`, by name.

    `known` are names of workers that have flushed: a session's name may be cut.
    """
    prefix = f"{instance} worker "
    return sorted(
        next(
            (name for name in known if (prefix + name)[:NAME_LENGTH] == session), session.removeprefix(prefix)
        )
        for session in sessions
    )


async def require_living_worker(connection: Connection) -> None:
    """Raise PreconditionError if no worker lives: nobody folds the log, proves or publishes."""
    if not await living_workers(connection):
        raise PreconditionError(
            "no worker lives, so nothing is counted or proven: start `funnelproof worker`"
        )


async def require_free_epoch(connection: Connection, epoch: Epoch) -> None:
    """Raise PreconditionError if a living worker holds another epoch; the message lists the differences."""
    current = await connection.fetchrow(sql("queries/store/epoch_current"))
    if current is None or current["epoch"] == epoch.id:
        return
    if holders := await living_workers(connection):
        raise PreconditionError(
            f"another worker of this instance runs with other settings ({', '.join(holders)}): "
            f"{'; '.join(differences(current, epoch))}. Give this worker the same settings, or stop all "
            "workers that have the former ones: the next worker to start then rebuilds the counts"
        )


def differences(current: asyncpg.Record | Mapping[str, Any], epoch: Epoch) -> list[str]:
    """Return a text for each difference between `current`, a row of `epoch_current`, and `epoch`."""
    there, here = current, epoch
    told = [
        ("FUNNELPROOF_WINDOWS", ",".join(there["windows"]), ",".join(here.plan.names)),
        ("FUNNELPROOF_TIMEZONE", there["timezone"], here.plan.zones[-1].timezone),
        (
            "FUNNELPROOF_TENANT_TIMEZONES",
            there["tenant_timezones"] or "empty",
            here.plan.tenant_timezones or "empty",
        ),
        ("the topic (FUNNELPROOF_TOPIC_PREFIX)", there["topic"], here.topic),
        ("the topic's number of partitions", there["partitions"], here.partitions),
        ("the topic's id (made anew, or FUNNELPROOF_KAFKA)", there["topic_id"], here.topic_id),
        ("the format of counts (another version of funnelproof)", there["state_format"], STATE_FORMAT),
    ]
    found = [f"{what} is {theirs} there and {ours} here" for what, theirs, ours in told if theirs != ours]
    if not found and there["boundaries"] != here.plan.boundaries:
        found.append(
            f"windows in {', '.join(_moved(there['boundaries'], here.plan.boundaries))} have other boundaries by "
            f"tzdata {there['tzdata']} there and tzdata {tzdata_version()} here"
        )
    return found


def _moved(there: str, here: str) -> list[str]:
    """Return the timezones in one of the two texts only; see WindowPlan.boundaries."""
    return sorted({each.partition("=")[0] for each in set(there.split(",")) ^ set(here.split(",")) if each})
