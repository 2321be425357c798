"""A short slice of the alerts of `make chaos`, for `make check`: two turns with a fault."""

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


@pytest.mark.parametrize("fault", ["kill -9 evaluator", "kill -9 postgres"])
async def test_every_transition_is_decided_once_and_told_to_all(alarm: Alarm, fault: str) -> None:
    assert "ended by SIGKILL" in await turn(alarm, fault)
