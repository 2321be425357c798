"""Nothing is written of a log that is not the one whose counts are kept."""

import pytest

from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.errors import PreconditionError, UnreachableError
from tests.integration.processor.conftest import Bench, entered


async def test_what_was_read_before_the_topic_was_made_anew_or_after_it_is_not_written(bench: Bench) -> None:
    bench.apply(entered())
    await bench.processor.flush()
    assert await bench.counts() == 1
    bench.apply(entered())
    await bench.topics.delete([bench.topic])
    with pytest.raises(UnreachableError, match="does not know the topic"):
        await bench.processor.flush()
    await bench.topics.ensure(bench.topic, 2, DATA_TOPIC_SETTINGS)
    bench.apply(entered())
    for _ in range(2):
        with pytest.raises(PreconditionError, match="made anew: nothing of the new one was counted"):
            await bench.processor.flush()
    with pytest.raises(PreconditionError, match="nothing of the new one was counted"):
        await bench.processor.on_assigned({0, 1})
    assert await bench.counts() == 1
