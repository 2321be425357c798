"""Two short histories of source changes, for `make check`; that a lie is found; and that a session does everything."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streams.store.doubts import unresolved_doubts
from tests.servers import Servers
from tests.source_changes.advice import follow
from tests.source_changes.catalogue import ACTIONS
from tests.source_changes.history import run, shorter
from tests.source_changes.look import PATIENCE, look
from tests.source_changes.making import a_world, template_of
from tests.source_changes.plan import plan
from tests.source_changes.restores import EDIT
from tests.source_changes.session import story
from tests.source_changes.world import PROVES, World
from tests.source_changes.writes import Crm

SEED = 20261128
SHORT = (1, 2)
"""The rounds of a history in `make check`; `python -m tests.source_changes` is the long search."""


@pytest.fixture(scope="session")
async def granted(servers: Servers) -> AsyncIterator[str]:
    """A database to clone, with the rights of the roles."""
    async with template_of(servers) as template:
        yield template


@pytest.mark.thorough
@pytest.mark.timeout(200)
@pytest.mark.parametrize("number", range(2))
async def test_no_result_called_proven_is_wrong_after(
    servers: Servers, granted: str, tmp_path: Path, number: int
) -> None:
    history = await run(shorter(plan(SEED, number), SHORT), servers, granted, tmp_path)
    assert history.is_right, story(history)
    assert history.windows or history.end == "refused"


ACTS = (
    "the publication gets another table",
    "the publication gets the whole schema",
    "the publication is made by others, with inserts only",
    "the publication is made anew for all tables",
)
"""Actions of which `status` tells enough to heal the source, though their author leaves the source as it is."""


@pytest.mark.thorough
@pytest.mark.timeout(480)
@pytest.mark.parametrize("roles", [True, False])
async def test_the_advice_of_status_heals_a_source_that_its_author_leaves_as_it_is(
    servers: Servers, granted: str, tmp_path: Path, *, roles: bool
) -> None:
    crm = Crm("advice")
    async with a_world(servers, granted, tmp_path, crm, "scadvice", roles=roles, separate=False) as world:
        await crm.funnel.create(world.source)
        await world.install()
        world.start_worker()
        await world.write()
        assert await world.proves()
        if not roles:
            await a_wrong_result_that_nothing_tells_of_is_found(world)
        for action in ACTS:
            await ACTIONS[action].act(world)
            await world.write()
            await noticed(world)
            done, seen = await follow(world, [], mend=True)
            assert (seen.findings, seen.doubts) == ([], []), (action, done)


async def noticed(world: World) -> None:
    """Wait until a doubt is noted, or until a proof of the present has found nothing to doubt."""
    now = await world.source.fetchval("select clock_timestamp()")
    end = time.monotonic() + PATIENCE
    while not (await unresolved_doubts(world.report) or await world.report.fetchval(PROVES, now)):
        assert time.monotonic() < end, "neither proof nor doubt"
        world.keep_a_worker()
        await asyncio.sleep(0.1)


async def a_wrong_result_that_nothing_tells_of_is_found(world: World) -> None:
    before = await look(world)
    assert (before.wrong, before.doubts, before.findings) == (0, [], [])
    assert before.windows
    await world.execute(EDIT, world.report)
    assert [finding.kind for finding in (await look(world)).findings] == ["lie"]


def test_every_action_is_the_first_of_some_history_and_a_seed_gives_the_same_histories_again() -> None:
    plans = [plan(1, number) for number in range(len(ACTIONS))]
    assert {each.actions[0] for each in plans} == set(ACTIONS)
    assert plans == [plan(1, number) for number in range(len(ACTIONS))]
    assert plan(2, 0) != plan(1, 0)
    assert len(ACTIONS) >= 80


def test_an_action_has_what_it_needs() -> None:
    for each in (plan(seed, number) for seed in range(5) for number in range(len(ACTIONS))):
        there = {name for name in ("roles", "separate") if getattr(each, name)}
        assert all(ACTIONS[name].needs <= there for name in each.actions)
        assert each.early is None or ACTIONS[each.early].early
