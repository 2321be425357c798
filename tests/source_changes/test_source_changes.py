"""Two short histories of source changes, for `make check`; that a lie is found; and that a session does everything."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers import Servers
from tests.source_changes.advice import follow
from tests.source_changes.catalogue import ACTIONS
from tests.source_changes.history import run, shorter
from tests.source_changes.look import look
from tests.source_changes.making import a_world, template_of
from tests.source_changes.plan import plan
from tests.source_changes.restores import EDIT
from tests.source_changes.session import story
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


@pytest.mark.thorough
@pytest.mark.timeout(120)
async def test_a_wrong_result_that_nothing_tells_of_is_found(
    servers: Servers, granted: str, tmp_path: Path
) -> None:
    crm = Crm("a lie")
    async with a_world(servers, granted, tmp_path, crm, "sclie", roles=False, separate=False) as world:
        await crm.funnel.create(world.source)
        await world.install()
        world.start_worker()
        await world.write()
        assert await world.proves()
        before = await look(world)
        assert (before.wrong, before.doubts, before.findings) == (0, [], [])
        assert before.windows
        await world.execute(EDIT, world.report)
        assert [finding.kind for finding in (await look(world)).findings] == ["lie"]


@pytest.mark.thorough
@pytest.mark.timeout(480)
@pytest.mark.parametrize("roles", [True, False])
@pytest.mark.parametrize(
    "actions",
    [
        ("the publication gets another table", "the publication gets the whole schema"),
        (
            "the publication is made by others, with inserts only",
            "the publication is made anew for all tables",
        ),
    ],
    ids=["more than the table", "made by others"],
)
async def test_the_advice_of_status_heals_a_source_that_its_author_leaves_as_it_is(
    servers: Servers, granted: str, tmp_path: Path, actions: tuple[str, ...], *, roles: bool
) -> None:
    crm = Crm("advice")
    async with a_world(servers, granted, tmp_path, crm, "scadvice", roles=roles, separate=False) as world:
        await crm.funnel.create(world.source)
        await world.install()
        world.start_worker()
        await world.write()
        assert await world.proves()
        for action in actions:
            await ACTIONS[action].act(world)
            await world.write()
            await look(world)
            done, seen = await follow(world, [], mend=True)
            assert (seen.findings, seen.doubts) == ([], []), (action, done)


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
