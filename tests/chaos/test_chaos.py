"""A short slice of `make chaos`, for `make check`: one run of three kinds of fault, after each other."""

from collections.abc import AsyncIterator

import pytest

from tests.chaos.crm import Habit
from tests.chaos.runs import FAULTS, plan, run, stage_on
from tests.chaos.stage import Stage
from tests.servers import EmbeddedServers

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(240)]

SEED = 20261123
CALM = {
    "clerk": Habit((1, 2), (0, 0), (0.02, 0.06)),
    "importer": Habit((5, 30), (0, 0.2), (0.3, 0.9)),
    "dawdler": Habit((2, 6), (0.5, 3.5), (0.1, 0.6)),
}
"""A CRM with a third of the writes of `make chaos`."""


@pytest.fixture(scope="module")
async def stage(
    own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    async with stage_on(own_servers, tmp_path_factory.mktemp("chaos"), CALM) as stage:
        yield stage


@pytest.mark.parametrize("fault", ["kill -9 worker in a flush", "zombie", "kill -9 broker"])
async def test_every_count_and_revision_is_right_after(stage: Stage, fault: str) -> None:
    done = await run(stage, fault, f"{SEED}/{fault}")
    assert done.evidence
    assert done.figures.windows
    assert done.figures.revisions


def test_a_whole_session_has_every_fault_as_often_as_planned() -> None:
    assert sorted(plan(1)) == sorted(name for name, (_, times) in FAULTS.items() for _ in range(times))
    assert plan(1) == plan(1) != plan(2)
    assert len(plan(1, runs=40)) == 40
    assert set(plan(1, only="zombie")) == {"zombie", "zombie in a flush"}
    assert plan(1, only="meteorite") == []
