"""What an operator is told when a worker stops."""

from datetime import timedelta

import pytest
from aiokafka.errors import InvalidSessionTimeoutError

from streams.cdc.folded import RecordsLostError
from streams.engine import CorruptRecordsError, PositionError
from streams.operations.ending import explain
from streams.settings import Settings

SETTINGS = Settings(session_timeout=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (InvalidSessionTimeoutError(), "FUNNELPROOF_SESSION_TIMEOUT is 1 s, which the broker does not allow"),
        (
            PositionError("crm[0] has the offsets 0 to 1, not 2"),
            "crm[0] has the offsets 0 to 1, not 2. Records that were deleted do not come back: run `funnelproof",
        ),
        (
            CorruptRecordsError("crm[0]: restore the partition from another replica"),
            "restore the partition from another replica; where there is none, run `funnelproof rebuild",
        ),
    ],
)
async def test_the_engines_errors_are_told_with_what_to_do(reason: Exception, told: str) -> None:
    assert told in str(await explain(reason, SETTINGS, None))


async def test_a_position_outside_of_the_log_is_a_loss_of_records() -> None:
    told = await explain(PositionError("crm[0] has the offsets 3 to 9, not 0"), SETTINGS, None)
    assert isinstance(told, RecordsLostError)
    assert (told.doubt, told.reason) == ("log", "crm[0] has the offsets 3 to 9, not 0")


async def test_an_error_that_says_enough_is_told_as_it_is() -> None:
    reason = OSError("no room")
    assert await explain(reason, SETTINGS, None) is reason
