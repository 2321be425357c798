"""Dead letters, listed in words and retried: the row is read anew from the source, and counts are right again."""

import asyncio
import json
import shutil
import time
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.integration.stream import counts
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.letters import PLACES, UNRESOLVED, produce, spoil

pytestmark = pytest.mark.timeout(180)

MOMENTS = 5
"""The moments of a retry's course at which a kill comes."""
COMPLETENESS = """
select min(completeness) from dyno_crm.stage_conversion_current
where tenant_id = $1 and window_name = '3s' and window_start = $2
"""


def asked(installation: Installation, *command: str) -> tuple[int, dict[str, Any]]:
    done = installation.run("dead-letters", *command, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


async def differences(installation: Installation, funnel: Funnel) -> list[Any]:
    kinds = installation.settings.window_kinds
    return list(await counts.differences(installation.connection, kinds, (funnel.tenant,)))


async def test_a_row_with_a_spoiled_event_is_listed_in_words_and_counts_after_a_retry(
    installation: Installation, funnel: Funnel
) -> None:
    start = await installation.next_window()
    spoiled = await spoil(installation, funnel, start, await installation.now())
    await installation.wait_until(f"select ({UNRESOLVED}) = 1")
    await installation.wait_until(f"select ({COMPLETENESS}) = 'estimated'", funnel.tenant, start)
    assert await differences(installation, funnel)

    status, found = await asyncio.to_thread(asked, installation, "list")
    assert status == 0
    (letter,) = found["letters"]
    assert letter["row_id"] == str(spoiled.row)
    assert f"deal {spoiled.deal}: entered b of" in letter["words"]
    assert "truncated" in letter["reason"]
    assert letter["pairs"] == ["a -> b", "b -> c"]
    windows = {(each["window_name"], each["state"]) for each in letter["windows"]}
    assert ("1h", "open") in windows
    assert {name for name, _ in windows} == {"3s", "1h"}
    held = {each["window_name"]: each for each in found["holds_back"]}
    assert held["3s"]["estimated_runs"] >= 1

    status, found = await asyncio.to_thread(asked, installation, "retry")
    assert (status, found["outcomes"]) == (0, {"settled": 1}), found
    assert await installation.connection.fetchval(UNRESOLVED) == 0
    await installation.right(funnel.tenant)
    await installation.proven()
    status, reconciled = await asyncio.to_thread(installation.reconcile)
    assert (status, reconciled["outcome"]) == (0, "equal"), reconciled
    start = await installation.next_window()
    await installation.wait_until(f"select ({COMPLETENESS}) = 'proven'", funnel.tenant, start)
    assert await asyncio.to_thread(asked, installation, "retry") == (0, {"letters": [], "outcomes": {}})


@pytest.mark.thorough
async def test_a_row_that_is_gone_or_cannot_be_counted_is_told_so(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    spoiled = await spoil(installation, funnel, await installation.now(), await installation.now())
    infinite = await funnel.enter(connection, uuid4(), "a", await installation.now())
    await connection.execute(
        "update dyno_crm.deal_pipeline_stage_state set entered_at = 'infinity' where id = $1", infinite
    )
    produce(installation, 0, b"no key of a row", b"{}")
    gone = json.dumps({"deal_id": str(spoiled.deal), "id": str(uuid4())}).encode()
    produce(installation, spoiled.partition, gone, b"{}")
    await installation.wait_until(f"select ({UNRESOLVED}) = 4")
    listed = await asyncio.to_thread(installation.run, "dead-letters", "list", "--limit", "3")
    assert listed.returncode == 0, listed.stderr
    assert "1 more: give --limit" in listed.stdout
    assert "funnelproof dead-letters retry" in listed.stdout
    status, found = await asyncio.to_thread(asked, installation, "retry")
    assert (status, found["outcomes"]) == (1, {"settled": 2, "refused": 1, "impossible": 1}), found
    told = {each["outcome"]: each["why"] for each in found["letters"]}
    assert "cannot be counted either" in told["refused"]
    assert "names no row" in told["impossible"]
    assert await connection.fetchval(UNRESOLVED) == 2
    await connection.execute("delete from dyno_crm.deal_pipeline_stage_state where id = $1", infinite)
    await installation.wait_until(f"select ({UNRESOLVED}) = 1")
    await installation.right(funnel.tenant)
    status, _ = await asyncio.to_thread(installation.reconcile)
    assert (status, await connection.fetchval(UNRESOLVED)) == (0, 1), "no comparison settles a letter"


@pytest.mark.thorough
async def test_letters_are_retried_by_their_ids_and_a_replay_from_the_beginning_keeps_what_a_retry_has_mended(
    installation: Installation, funnel: Funnel
) -> None:
    connection = installation.connection
    spoiled = [
        await spoil(installation, funnel, await installation.now(), await installation.now())
        for _ in range(2)
    ]
    await installation.wait_until(f"select ({UNRESOLVED}) = 2")
    places = await connection.fetchval(PLACES)
    status, found = await asyncio.to_thread(asked, installation, "retry", places[0])
    assert (status, [each["id"] for each in found["letters"]]) == (0, [places[0]])
    assert await connection.fetchval(PLACES) == [places[1]]
    for wrong, message in ((places[0], "no unresolved dead letter"), ("x", "is no dead letter's id")):
        done = await asyncio.to_thread(installation.run, "dead-letters", "retry", wrong)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr
    assert (await asyncio.to_thread(asked, installation, "retry"))[0] == 0
    await installation.right(funnel.tenant)

    installation.workers[-1].kill()
    shutil.rmtree(installation.settings.state_dir)  # everything is folded again, the spoiled events, too
    successor = installation.start_worker()
    await installation.wait_until_folding()
    assert successor.resumed == 0
    await installation.proven()
    await installation.right(funnel.tenant)
    assert await connection.fetchval(UNRESOLVED) == 0
    # The row's own events go on above the restatement.
    await connection.execute("delete from dyno_crm.deal_pipeline_stage_state where id = $1", spoiled[0].row)
    await installation.proven()
    await installation.right(funnel.tenant)


@pytest.mark.thorough
async def test_a_retry_waits_for_the_writers_of_the_table(installation: Installation, funnel: Funnel) -> None:
    """A change below the marker is committed after the marker: the restatement must have it."""
    connection = installation.connection
    await spoil(installation, funnel, await installation.now(), await installation.now())
    await installation.wait_until(f"select ({UNRESOLVED}) = 1")
    writer = await asyncpg.connect(installation.settings.source_dsn)
    try:
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute(
            "update dyno_crm.deal_pipeline_stage_state set entered_at = entered_at - interval '1 day' "
            "where tenant_id = $1",
            funnel.tenant,
        )
        retrying = asyncio.create_task(asyncio.to_thread(asked, installation, "retry"))
        await asyncio.sleep(4)
        assert not retrying.done()
        assert await connection.fetchval(UNRESOLVED) == 1
        await transaction.commit()
        assert (await retrying)[0] == 0
    finally:
        await writer.close()
    await installation.proven()
    await installation.right(funnel.tenant)


@pytest.mark.thorough
async def test_a_retry_that_is_killed_at_any_moment_and_a_second_one_do_no_harm(
    installation: Installation, funnel: Funnel
) -> None:
    await spoil(installation, funnel, await installation.now(), await installation.now())
    await installation.wait_until(f"select ({UNRESOLVED}) = 1")
    began = time.monotonic()
    assert (await asyncio.to_thread(asked, installation, "retry"))[0] == 0
    whole = time.monotonic() - began
    for number in range(MOMENTS):
        await spoil(installation, funnel, await installation.now(), await installation.now())
        process = Worker(
            installation.environment, installation.folder / "killed.log", "dead-letters", "retry"
        )
        await asyncio.sleep(whole * (number + 1) / (MOMENTS + 1))
        process.kill()
    both = await asyncio.gather(
        *(asyncio.to_thread(installation.run, "dead-letters", "retry") for _ in range(2))
    )
    assert 0 in [done.returncode for done in both], both
    await installation.wait_until(f"select ({UNRESOLVED}) = 0")
    await installation.proven()
    await installation.right(funnel.tenant)
