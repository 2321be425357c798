"""Events that cannot be applied: recorded once, told in every close, and healed by the row's next event."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.published import read_topic
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation
from tests.integration.stream.letters import UNRESOLVED, event_of, produce

pytestmark = pytest.mark.timeout(120)


def _changed(**changes: object) -> Callable[[bytes], bytes]:
    return lambda value: json.dumps({**json.loads(value), **changes}).encode()


def _with_row(**changes: object) -> Callable[[bytes], bytes]:
    return lambda value: _changed(after={**json.loads(value)["after"], **changes})(value)


def _without_stage(value: bytes) -> bytes:
    event = json.loads(value)
    del event["after"]["pipeline_stage_id"]
    return json.dumps(event).encode()


MALFORMED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "is not JSON": (lambda value: value[:-9], "truncated"),
    "lacks a field": (_without_stage, "pipeline_stage_id"),
    "has an unknown operation": (_changed(op="z"), "enum value 'z'"),
    "names a deal by what is no UUID": (_with_row(tenant_id="x" * 36), "UUID"),
}
OUTSIDE_THE_CALENDAR = ("infinity", "-infinity", "12026-11-23 UTC", "9999-12-31 23:30 UTC")
COMPLETENESS = """
select min(completeness) from dyno_crm.stage_conversion_current
where tenant_id = $1 and window_name = '3s' and window_start = $2
"""


async def test_a_malformed_event_is_recorded_once_and_published_as_it_was_and_windows_are_estimated_until_a_good_one(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    at = await installation.now()
    entries = {name: await funnel.enter(connection, uuid4(), "a", at) for name in MALFORMED}
    await installation.proven()
    await installation.right(funnel.tenant)
    for name, entry in entries.items():
        event = await asyncio.to_thread(event_of, installation, entry)
        spoil, _ = MALFORMED[name]
        key, spoilt = event.key() or b"", spoil(event.value() or b"")
        await asyncio.to_thread(produce, installation, event.partition() or 0, key, spoilt)
    await installation.wait_until(f"select ({UNRESOLVED}) = $1", len(MALFORMED))

    letters = {name: await letters_of(installation, entry) for name, entry in entries.items()}
    for name, (_, reason) in MALFORMED.items():
        (letter,) = letters[name]
        assert re.search(reason, letter["reason"])
        assert letter["value"]
    await installation.wait_until(
        "select not exists (select from funnelproof.dead_letter where published_at is null)"
    )
    in_kafka = await read_topic(installation.settings.kafka, installation.settings.dead_letter_topic)
    recorded = sorted(
        (
            *(row["key"].decode(), row["partition"], row["source_offset"], row["reason"]),
            b64encode(row["value"]).decode(),
        )
        for (row,) in letters.values()
    )
    assert recorded == sorted(
        (key, letter["partition"], letter["offset"], letter["reason"], letter["value"])
        for key, letter in in_kafka
        if any(str(entry) in key for entry in entries.values())
    )

    assert await installation.workers[-1].stop() == 0
    installation.start_worker()
    await installation.wait_until_folding()
    for name, entry in entries.items():
        assert len(await letters_of(installation, entry)) == 1, name
    start = await installation.next_window()
    await installation.wait_until(f"select ({COMPLETENESS}) = 'estimated'", funnel.tenant, start)

    await connection.execute(
        "update dyno_crm.deal_pipeline_stage_state set exited_at = clock_timestamp() where tenant_id = $1",
        funnel.tenant,
    )
    await installation.wait_until(f"select ({UNRESOLVED}) = 0")
    start = await installation.next_window()
    await installation.wait_until(f"select ({COMPLETENESS}) = 'proven'", funnel.tenant, start)
    await installation.right(funnel.tenant)


async def letters_of(installation: Installation, entry: UUID) -> list[asyncpg.Record]:
    return await installation.connection.fetch(
        "select * from funnelproof.dead_letter where convert_from(key, 'UTF8') like $1", f"%{entry}%"
    )


async def test_entries_outside_the_calendar_are_dead_letters_one_far_ahead_is_counted_and_windows_go_on_closing(
    installation: Installation, funnel: Funnel
) -> None:
    connection, far = installation.connection, datetime(9999, 6, 1, 12, tzinfo=UTC)
    await funnel.enter(connection, uuid4(), "a", far)
    await installation.wait_until(
        "select exists (select from dyno_crm.stage_conversion_live "
        "where tenant_id = $1 and window_name = '1h' and window_start = $2 and entered_count = 1)",
        *(funnel.tenant, far),
    )
    start = await installation.next_window()
    await installation.wait_until(f"select ({COMPLETENESS}) = 'proven'", funnel.tenant, start)
    for entered_at in OUTSIDE_THE_CALENDAR:
        entry = await funnel.enter(connection, uuid4(), "a", await installation.now())
        await connection.execute(
            f"update dyno_crm.deal_pipeline_stage_state set entered_at = '{entered_at}' where id = $1",  # noqa: S608 - ours
            entry,
        )
    entries = await connection.fetchval(
        "select array_agg(id::text) from dyno_crm.deal_pipeline_stage_state where tenant_id = $1",
        funnel.tenant,
    )
    letters = f"({UNRESOLVED} and convert_from(key, 'UTF8')::json ->> 'id' = any($1))"
    await installation.wait_until(f"select {letters} = {len(OUTSIDE_THE_CALENDAR)}", entries)
    start = await installation.next_window()
    await installation.wait_until(f"select ({COMPLETENESS}) = 'estimated'", funnel.tenant, start)
    told = await asyncio.to_thread(installation.run, "status", "--json")
    assert json.loads(told.stdout)["overdue"] == []
    assert installation.workers[-1].runs
    await connection.execute(
        "delete from dyno_crm.deal_pipeline_stage_state where tenant_id = $1", funnel.tenant
    )
    await installation.wait_until(f"select {letters} = 0", entries)
    await installation.right(funnel.tenant)
