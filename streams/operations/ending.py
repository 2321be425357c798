"""The reason why a worker stops, in words that name the remedy."""

import asyncio

from aiokafka.errors import InvalidSessionTimeoutError

from streams.cdc.folded import BEGIN_ANEW, FoldedTopic, RecordsLostError
from streams.engine import CorruptRecordsError, PositionError
from streams.errors import FunnelproofError, PreconditionError, SettingsError
from streams.settings import Settings

CONFIRM_SECONDS = 5.0


async def explain(reason: BaseException, settings: Settings, topic: FoldedTopic | None) -> BaseException:
    """Return the error to report for `reason`: an error with a remedy, or `reason` itself if `reason` is clear enough.

    `topic` is the topic that the worker folds, None before the first assignment.
    """
    if isinstance(reason, PositionError):
        return await _why_astray(reason, topic)
    if isinstance(reason, CorruptRecordsError):
        return PreconditionError(f"{reason}; where there is none, run {BEGIN_ANEW}")
    if isinstance(reason, InvalidSessionTimeoutError):
        seconds = settings.session_timeout.total_seconds()
        return SettingsError(
            f"FUNNELPROOF_SESSION_TIMEOUT is {seconds:g} s, which the broker does not allow: choose one between its "
            "group.min.session.timeout.ms and group.max.session.timeout.ms"
        )
    return reason


async def _why_astray(reason: PositionError, topic: FoldedTopic | None) -> BaseException:
    """Return the error for a wrong position. The most frequent cause is a topic made anew, and is checked first."""
    if topic is not None:
        try:
            await asyncio.wait_for(topic.confirm(), CONFIRM_SECONDS)
        except PreconditionError as error:
            return error
        except (FunnelproofError, TimeoutError):
            pass  # the message of `reason` is reported
    return RecordsLostError(
        "log", str(reason), f"Records that were deleted do not come back: run {BEGIN_ANEW}"
    )
