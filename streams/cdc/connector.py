"""The Debezium connector of an installation, made from the settings."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from streams.cdc.connect_api import Connect
from streams.cdc.connector_config import configuration_faults, connector_config
from streams.cdc.source_objects import SourceObject
from streams.errors import PreconditionError
from streams.settings import Settings

_ROUTED = "transforms.route.partition.topic.num"
_PREFIX = "topic.prefix"
_IDENTITY = (
    "connector.class",
    "database.hostname",
    "database.port",
    "database.dbname",
    "slot.name",
    _PREFIX,
)
"""The settings of source and destination; two installations differ in at least one."""
Reading: TypeAlias = Callable[[], Awaitable[str | None]]
"""Asks the source what the connector reads, as `streams.cdc.source_objects.reading` does."""
_STARTING_SECONDS = 90.0
_SNAPSHOT_SECONDS = 5.0
"""A first snapshot that has gone on for so long is not waited for; an attempt that fails takes less."""
_LOOK_SECONDS = 0.2
_TROUBLE_LENGTH = 300


@dataclass(frozen=True)
class ConnectorStatus:
    """State of the connector and of its tasks; `trouble` is the root cause of the first failure.

    `reads` is False if the connector reads no changes although Connect calls the connector RUNNING; None: not asked.
    """

    name: str
    state: str
    tasks: list[str] = field(default_factory=list)
    trouble: str | None = None
    reads: bool | None = None

    @property
    def running(self) -> bool:
        """True if the connector and its task run, and are not known to read nothing."""
        return (
            self.state == "RUNNING"
            and bool(self.tasks)
            and set(self.tasks) == {"RUNNING"}
            and self.reads is not False
        )

    @property
    def failed(self) -> bool:
        """True if the connector or a task has failed: neither tries again."""
        return "FAILED" in (self.state, *self.tasks)


class Connector:
    """The connector of an installation in a Kafka Connect cluster."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.instance
        self._path = f"/connectors/{self._name}"
        self._connect = Connect(settings)

    def __str__(self) -> str:
        return f"connector {self._name} in Kafka Connect"

    async def status(self) -> ConnectorStatus:
        """Return the connector's status; the state of a missing connector is `ABSENT`."""
        answer = await self._connect.call("GET", f"{self._path}/status")
        if answer is None:
            return ConnectorStatus(self._name, "ABSENT")
        traces = [
            part.get("trace", "") for part in (answer["connector"], *answer["tasks"]) if part.get("trace")
        ]
        trouble = next((_root_cause(trace) for trace in traces), None)
        states = [task["state"] for task in answer["tasks"]]
        return ConnectorStatus(self._name, answer["connector"]["state"], states, trouble)

    async def committed_lsn(self) -> int | None:
        """Return the LSN up to which Connect has noted commits as delivered to Kafka; None if Connect has no note."""
        noted = [offset.get("lsn_commit") for offset in await self._offsets()]
        return max((lsn for lsn in noted if lsn is not None), default=None)

    async def configuration_faults(self) -> list[str]:
        """Return the settings by which the running connector loses changes; none for a missing connector."""
        running = await self._config()
        return [] if running is None else configuration_faults(running, self._settings)

    async def seen(self, reading: Reading) -> ConnectorStatus:
        """Return the status with `reads` filled in: Connect calls a connector RUNNING that only tries again."""
        status = await self.status()
        if not status.running:
            return status
        found = await reading()
        reads = found == "changes" or (found == "snapshot" and await self._takes_snapshot())
        return replace(status, reads=reads)

    async def check(self, slot: SourceObject | None) -> None:
        """Raise PreconditionError if the installation's connector would harm another connector, or its own log.

        `slot` is the replication slot of the instance, if it is there. Connect tries the configuration, and connects to
        the database. Nothing is changed.
        """
        await self.require_own()
        wanted = connector_config(self._settings)
        await self._require_valid(wanted)
        for name, config in (await self._others()).items():
            if config.get(_PREFIX) == wanted[_PREFIX]:
                raise PreconditionError(
                    f"connector {name} writes to the topics {wanted[_PREFIX]}.*, too: "
                    "set FUNNELPROOF_TOPIC_PREFIX to a name of its own"
                )
        former = await self._config()
        if former is None and slot is not None:
            await self._require_own_slot(slot)
        if former is not None and former.get(_ROUTED) != wanted[_ROUTED]:
            raise PreconditionError(
                f"connector {self._name} spreads deals over {former.get(_ROUTED)} partitions, FUNNELPROOF_PARTITIONS "
                f"says {wanted[_ROUTED]}: set it to {former.get(_ROUTED)}, or begin anew with {wanted[_ROUTED]}: "
                "run `funnelproof rebuild`"
            )

    async def require_own(self) -> None:
        """Raise PreconditionError if the connector of the instance's name follows another database or other topics."""
        running, wanted = await self._config(), connector_config(self._settings)
        if running is None:
            return
        if strange := [key for key in _IDENTITY if running.get(key) != wanted[key]]:
            told = ", ".join(f"{key} is {running.get(key)} there and {wanted[key]} here" for key in strange)
            raise PreconditionError(
                f"Kafka Connect has another connector {self._name} ({told}): set FUNNELPROOF_INSTANCE to a name of its "
                "own; if that connector is this installation's and the address has changed, run "
                "`funnelproof connector delete --force` first"
            )

    async def apply(self, reading: Reading) -> tuple[ConnectorStatus, bool]:
        """Make, update or restart the connector; return the status, and True if the connector was new.

        The result is that of the new attempt: a connector that reads, with an equal configuration, is left alone, and
        every other connector is stopped first. Raises PreconditionError if the connector fails, or does not read
        within a minute and a half.
        """
        config = connector_config(self._settings)
        former = await self._config()
        if former == config and (status := await self.seen(reading)).running:
            return status, False
        if former is None:
            await self._make_stopped(config)
        else:
            await self._stop()
            await self._until(
                lambda: _is_released(reading), f"replication slot {self._name} is still read by somebody"
            )
            await self._connect.call("PUT", f"{self._path}/config", config)
        await self._connect.call("PUT", f"{self._path}/resume")
        return await self._wait_until_reading(reading), former is None

    async def stop(self) -> None:
        """Stop the connector, if the connector exists: its sessions at the CRM's database end, nothing is forgotten."""
        if await self._config() is not None:
            await self._stop()

    async def delete(self, *, offsets: bool = False) -> bool:
        """Delete the connector; return True if the connector existed.

        `offsets` also deletes the connector's offsets in Connect, even if only the offsets are left: Connect would
        give the offsets to the next connector of equal name.
        """
        existed = await self._config() is not None
        if offsets:
            if not existed:
                await self._make_stopped(connector_config(self._settings))
            await self._stop()
            await self._connect.call("DELETE", f"{self._path}/offsets")
        if existed or offsets:
            await self._connect.call("DELETE", self._path)
            await self._until(self._is_absent, f"Kafka Connect did not delete connector {self._name}")
        return existed

    async def _config(self) -> dict[str, str] | None:
        answer = await self._connect.call("GET", f"{self._path}/config")
        return None if answer is None else {key: value for key, value in answer.items() if key != "name"}

    async def _others(self) -> Mapping[str, Mapping[str, str]]:
        answer = await self._connect.call("GET", "/connectors?expand=info")
        return {name: each["info"]["config"] for name, each in answer.items() if name != self._name}

    async def _offsets(self) -> list[Mapping[str, Any]]:
        answer = await self._connect.call("GET", f"{self._path}/offsets")
        return [each["offset"] for each in (answer or {}).get("offsets", ()) if each["offset"]]

    async def _takes_snapshot(self) -> bool:
        """Return True until Connect has noted the end of the first snapshot."""
        return all(
            "snapshot" in offset
            and not (offset.get("snapshot_completed") or offset.get("last_snapshot_record"))
            for offset in await self._offsets()
        )

    async def _require_valid(self, config: Mapping[str, str]) -> None:
        path = f"/connector-plugins/{config['connector.class']}/config/validate"
        answer = await self._connect.call("PUT", path, {"name": self._name, **config})
        if answer is None:
            raise PreconditionError(
                "Kafka Connect has no Debezium for Postgres: install the plugin debezium-connector-postgres there"
            )
        if errors := [
            f"{each['value']['name']}: {error}"
            for each in answer["configs"]
            for error in each["value"]["errors"]
        ]:
            raise PreconditionError(f"Kafka Connect refuses the connector: {'; '.join(errors)}")

    async def _require_own_slot(self, slot: SourceObject) -> None:
        """Raise PreconditionError if a slot without a connector here belongs to a connector elsewhere."""
        if slot.active:
            raise PreconditionError(
                f"replication slot {slot.name} is read by a connector of another Kafka Connect cluster: set "
                "FUNNELPROOF_INSTANCE to a name of its own, or FUNNELPROOF_CONNECT_URL to that cluster"
            )
        if not await self._remembers():
            raise PreconditionError(
                f"replication slot {slot.name} is there, and this Kafka Connect has never read it: set "
                "FUNNELPROOF_INSTANCE to a name of its own; if the slot is a former one of this installation, begin "
                "anew with `funnelproof rebuild`"
            )

    async def _remembers(self) -> bool:
        """Return True if Connect still has offsets of a former connector of this name."""
        await self._make_stopped(connector_config(self._settings))
        remembered = bool(await self._offsets())
        await self._connect.call("DELETE", self._path)
        return remembered

    async def _make_stopped(self, config: Mapping[str, str]) -> None:
        body = {"name": self._name, "config": config, "initial_state": "STOPPED"}
        await self._connect.call("POST", "/connectors", body)
        await self._until(self._is_stopped, "Kafka Connect does not show the new connector")

    async def _stop(self) -> None:
        await self._connect.call("PUT", f"{self._path}/stop")
        await self._until(self._is_stopped, f"Kafka Connect did not stop connector {self._name}")

    async def _is_absent(self) -> bool:
        return (await self.status()).state == "ABSENT"

    async def _is_stopped(self) -> bool:
        status = await self.status()
        return status.state == "STOPPED" and not status.tasks

    async def _until(self, condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        for _ in range(int(_STARTING_SECONDS / _LOOK_SECONDS)):
            if await condition():
                return
            await asyncio.sleep(_LOOK_SECONDS)
        raise PreconditionError(f"{otherwise}: see Connect's log, then try again")

    async def _wait_until_reading(self, reading: Reading) -> ConnectorStatus:
        looks_at_snapshot = 0
        for _ in range(int(_STARTING_SECONDS / _LOOK_SECONDS)):
            status = await self.seen(reading)
            if status.failed:
                raise PreconditionError(f"connector {self._name} failed: {status.trouble}")
            if status.running and await reading() == "changes":
                return status
            looks_at_snapshot = looks_at_snapshot + 1 if status.running else 0
            if looks_at_snapshot > _SNAPSHOT_SECONDS / _LOOK_SECONDS:
                return status
            await asyncio.sleep(_LOOK_SECONDS)
        raise PreconditionError(
            f"connector {self._name} reads nothing after {_STARTING_SECONDS:.0f} s, and tries again and again: "
            "see Connect's log"
        )


async def _is_released(reading: Reading) -> bool:
    return await reading() != "changes"


def _root_cause(trace: str) -> str:
    """Return the last cause that says something: `java.io.EOFException` alone tells nobody what has happened."""
    causes = [line for line in trace.splitlines() if line and not line.startswith(("\t", " "))] or [trace]
    telling = next(
        (line for line in reversed(causes) if ": " in line.removeprefix("Caused by: ")), causes[-1]
    )
    cause = telling.removeprefix("Caused by: ")
    if len(cause) <= _TROUBLE_LENGTH:
        return cause
    half = _TROUBLE_LENGTH // 2
    return f"{cause[:half]} … {cause[-half:]} (Connect's log has it all)"
