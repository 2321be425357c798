"""A short slice of the alerts of `make chaos`, for `make check`: a turn with two faults."""

from collections.abc import AsyncIterator

import pytest

from tests.chaos.alert_turns import turn
from tests.chaos.alerting import Alarm, alarm_on
from tests.servers import EmbeddedServers

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(600)]
SEED = "20261129"


@pytest.fixture(scope="module")
async def alarm(
    own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Alarm]:
    async with alarm_on(own_servers, tmp_path_factory.mktemp("alerts"), SEED, deals=2) as alarm:
        yield alarm


async def test_every_transition_is_decided_once_and_told_to_all_after_postgres_and_an_evaluator_were_killed(
    alarm: Alarm,
) -> None:
    told = await turn(alarm, "kill -9 postgres", "kill -9 evaluator")
    assert told.count("ended by SIGKILL") == 2
