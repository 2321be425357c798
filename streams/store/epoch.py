"""An epoch: everything besides the log that a partition's counts depend on."""

import zoneinfo
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from uuid import UUID, uuid5

from streams.cdc.topics import Topic
from streams.domain.plan import WindowPlan
from streams.errors import PreconditionError
from streams.resources import sql
from streams.store.database import Connection, Pool

_NAMESPACE = UUID("6f0b4b4e-6a0a-5c0e-9d6d-0f5b6f9f7f01")
STATE_FORMAT = 2
"""The version of a partial's meaning. A higher version rebuilds all counts from the log."""


@dataclass(frozen=True)
class Epoch:
    """A topic of a certain id, folded into the windows of a plan.

    Example: the setting of windows changes from `hour` to `hour,day`, the topic is deleted and made anew, or a newer
    tzdata moves days in a timezone in use. Each change makes another epoch, and a new epoch counts from the log's
    beginning.
    """

    topic: str
    topic_id: str
    partitions: int
    plan: WindowPlan

    @property
    def id(self) -> UUID:
        """The epoch's id. Every worker computes an equal id from equal contents."""
        told = (self.topic_id, str(self.partitions), self.plan.description, str(STATE_FORMAT))
        return uuid5(_NAMESPACE, "\n".join(told))


def epoch_of(topic: Topic, plan: WindowPlan) -> Epoch:
    """Return the epoch of `topic`, folded into the windows of `plan`."""
    return Epoch(topic.name, topic.topic_id, topic.partitions, plan)


def tzdata_version() -> str:
    """Return the version of this machine's timezones, for example `2026a`; "unknown" where no file tells the version.

    Python reads timezones from the folders of `zoneinfo.TZPATH`, or else from the package `tzdata`.
    """
    for folder in map(Path, zoneinfo.TZPATH):
        with suppress(OSError), (folder / "tzdata.zi").open(encoding="utf-8") as file:
            return file.readline().removeprefix("# version ").strip()
        if (folder / "UTC").exists():
            return "unknown"
    with suppress(ImportError):
        return str(import_module("tzdata").IANA_VERSION)
    return "unknown"


async def begin_epoch(connection: Connection | Pool, epoch: Epoch) -> None:
    """Make `epoch` the current epoch; raises PreconditionError before `migrate`."""
    row = await connection.fetchrow(
        sql("queries/store/epoch_begin"),
        epoch.id,
        epoch.topic,
        epoch.topic_id,
        epoch.partitions,
        list(epoch.plan.names),
        epoch.plan.zones[-1].timezone,
        epoch.plan.tenant_timezones,
        STATE_FORMAT,
        epoch.plan.boundaries,
        tzdata_version(),
    )
    if row is None:
        raise PreconditionError("the report database is not set up: run `funnelproof migrate`")


async def require_current_epoch(connection: Connection, epoch: Epoch) -> None:
    """Raise PreconditionError if another worker has begun another epoch."""
    if not await connection.fetchval(sql("queries/store/epoch_is_current"), epoch.id):
        raise PreconditionError(
            "a worker with other windows, another timezone or another topic has taken over since: "
            "give all workers of an instance the same settings, then start them again"
        )
