"""The CRM's database as its administrator sees it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from streams.store.database import OwnConnection


@pytest.fixture
async def worker_role(crm: OwnConnection) -> AsyncIterator[str]:
    """A role that reads and writes the CRM's rows, and owns nothing."""
    role = f"worker_{uuid4().hex[:10]}"
    await crm.execute(f"create role {role}")
    await crm.execute(f"grant usage on schema dyno_crm to {role}")
    await crm.execute(f"grant select, insert, update, truncate on all tables in schema dyno_crm to {role}")
    yield role
    await crm.execute(f"drop owned by {role}; drop role {role}")


@asynccontextmanager
async def acting_as(connection: OwnConnection, role: str) -> AsyncIterator[None]:
    """Have the session's role be `role` for a while."""
    await connection.execute(f"set role {role}")
    try:
        yield
    finally:
        await connection.execute("reset role")
