"""Whatever is written, whoever holds what, and whenever windows close: closed facts are the canonical SQL's."""

import asyncio

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.depth import examples
from tests.integration.closing.postgres_fleet import PostgresFleet

SETTINGS = settings(
    max_examples=examples(25),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.untraced
def test_closed_facts_are_what_the_canonical_sql_gives(database: str) -> None:
    loop = asyncio.new_event_loop()
    session = {"timezone": "UTC", "synchronous_commit": "off"}
    pool = loop.run_until_complete(
        asyncpg.create_pool(database, min_size=1, max_size=2, server_settings=session, loop=loop)
    )

    class Machine(PostgresFleet):
        def __init__(self) -> None:
            super().__init__(loop, pool)

    try:
        run_state_machine_as_test(Machine, settings=SETTINGS)
    finally:
        loop.run_until_complete(pool.close())
        loop.close()
