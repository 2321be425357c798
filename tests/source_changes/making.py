"""Makes the databases, roles and settings of a history, and removes every trace of the history."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from streams.cdc.own_topics import OwnTopics
from streams.resources import sql
from streams.settings import Settings
from streams.store.migrations import migrate
from tests.servers import Servers, new_database
from tests.source_changes.world import WINDOW, World, session
from tests.source_changes.writes import Crm

SETTINGS = {
    "WINDOWS": f"{WINDOW},1m",
    "PARTITIONS": "2",
    "PROOF_WAIT": "10s",
    "ESTIMATE_WAIT": "1s",
    "REVISION_DEBOUNCE": "200ms",
    "CHECKPOINT_INTERVAL": "1s",
    "SESSION_TIMEOUT": "4s",
}


@asynccontextmanager
async def template_of(servers: Servers) -> AsyncIterator[str]:
    """Give the name of a database to be cloned: the CRM's tables, all migrations, the rights of the roles."""
    async with new_database(servers.postgres_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))
        await migrate(connection)
        await connection.execute(sql("roles"))
        await connection.close()
        yield urlsplit(dsn).path.strip("/")


@asynccontextmanager
async def a_world(
    servers: Servers, template: str, folder: Path, crm: Crm, name: str, *, roles: bool, separate: bool
) -> AsyncIterator[World]:
    """Make databases and roles; `World.install` then makes the rest. Every trace is removed at the end."""
    name = f"{name}_{uuid4().hex[:6]}"
    async with AsyncExitStack() as stack:
        if roles:
            await stack.enter_async_context(_own_roles(servers, name))
        source = await stack.enter_async_context(new_database(servers.postgres_dsn, template, name))
        chosen = {
            **SETTINGS,
            "SOURCE_DSN": source,
            "KAFKA": servers.kafka,
            "CONNECT_URL": servers.connect_url,
            "INSTANCE": name,
            "TOPIC_PREFIX": name,
            "STATE_DIR": str(folder / "state"),
        }
        if separate:
            chosen["REPORT_DSN"] = await stack.enter_async_context(
                new_database(servers.postgres_dsn, template, f"{name}_report")
            )
        operator = dict(chosen)
        if roles:
            chosen["CDC_DSN"] = operator["CDC_DSN"] = _as(f"{name}_cdc", source)
            for setting in {"SOURCE_DSN", "REPORT_DSN"} & chosen.keys():
                operator[setting] = _as(f"{name}_worker", chosen[setting])
        settings = Settings(**{key.lower(): value for key, value in chosen.items()})  # type: ignore[arg-type]  # parsed
        world = World(
            *(name, servers, settings, _environment(chosen), _environment(operator), roles, folder, crm),
            *(await session(settings.source_dsn), await session(settings.facts_dsn)),
        )
        stack.push_async_callback(_clean, world)
        yield world


@asynccontextmanager
async def _own_roles(servers: Servers, name: str) -> AsyncIterator[None]:
    roles = {
        f"{name}_cdc": "login replication password '{}' in role funnelproof_cdc",
        f"{name}_worker": "login password '{}' in role funnelproof_worker",
    }
    await _administer(servers, *(f"create role {role} {how.format(role)}" for role, how in roles.items()))
    try:
        yield
    finally:
        await _administer(servers, *(f"drop role {role}" for role in roles))


async def _administer(servers: Servers, *statements: str) -> None:
    admin = await asyncpg.connect(servers.postgres_dsn)
    try:
        for statement in statements:
            await admin.execute(statement)
    finally:
        await admin.close()


def _as(role: str, dsn: str) -> str:
    address = urlsplit(dsn)
    return address._replace(netloc=f"{role}:{role}@{address.netloc.rpartition('@')[2]}").geturl()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    outside = {key: value for key, value in os.environ.items() if not key.startswith("FUNNELPROOF_")}
    return outside | {f"FUNNELPROOF_{key}": value for key, value in settings.items()}


async def _clean(world: World) -> None:
    for worker in world.workers:
        worker.kill()
    await world.disconnect()
    await world.ask_connect("DELETE")
    await _drop_slots(world)
    settings = world.settings
    await world.topics.delete([*OwnTopics(settings).of_the_log, settings.facts_topic])


async def _drop_slots(world: World) -> None:
    """Drop every slot of the history's databases; a deleted connector lets its slot go a moment later."""
    admin: Any = await asyncpg.connect(world.servers.postgres_dsn)
    slots = "select slot_name, active_pid from pg_replication_slots where starts_with(database, $1)"
    try:
        while found := await admin.fetch(slots, world.name):
            for slot in found:
                with suppress(asyncpg.ObjectInUseError, asyncpg.UndefinedObjectError):
                    await admin.execute("select pg_drop_replication_slot($1)", slot["slot_name"])
            await asyncio.sleep(0.1)
            for slot in found:
                await admin.execute("select pg_terminate_backend($1)", slot["active_pid"] or 0)
    finally:
        await admin.close()
