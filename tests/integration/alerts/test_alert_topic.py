"""Every transition reaches the topic, in order, under its alert's id."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from streams.alerts.addresses import KAFKA
from streams.alerts.delivery.topic import AlertTopic
from streams.brokers import Brokers
from streams.cdc.event_producer import EventProducer
from streams.cdc.topics import Topics
from tests.fakes.alerts import storm, transition
from tests.integration.alerts.conftest import ENVELOPES, Outbox
from tests.integration.published import read_topic
from tests.unit.alerts.test_alert_envelope import VALIDATOR

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def topic(kafka: str) -> AsyncIterator[str]:
    name = f"outbox_{uuid4().hex}.alerts"
    yield name
    await Topics(Brokers(kafka)).delete([name])


def channel(kafka: str, topic: str) -> AlertTopic:
    return AlertTopic(EventProducer(Brokers(kafka), topic), ENVELOPES)


async def test_every_transition_is_an_event_in_the_order_of_the_decisions(
    outbox: Outbox, kafka: str, topic: str
) -> None:
    decided = [*storm(30), transition("fired", 1), transition("retracted", 2), transition("fired", 3)]
    await outbox.put(*decided, to=[])
    await outbox.sender(channel(kafka, topic)).send_waiting()
    records = await read_topic(kafka, topic)
    for _, event in records:
        VALIDATOR.validate(event)
    assert [(key, event["id"]) for key, event in records] == [
        (str(each.alert_id), str(each.event_id)) for each in decided
    ]
    assert await outbox.waiting(KAFKA) == 0


async def test_an_event_that_was_sent_and_not_noted_comes_again_with_its_id(
    outbox: Outbox, kafka: str, topic: str
) -> None:
    await outbox.put(transition(), to=[])
    await outbox.sender(channel(kafka, topic)).send_waiting()
    await outbox.pool.execute("update funnelproof.alert_delivery set delivered_at = null")
    await outbox.sender(channel(kafka, topic)).send_waiting()
    once, again = await read_topic(kafka, topic)
    assert once == again


async def test_a_broker_that_is_away_is_told_and_loses_nothing(
    outbox: Outbox, kafka: str, topic: str
) -> None:
    await outbox.put(transition(), to=[])
    await outbox.sender(channel("127.0.0.1:9", topic)).send_waiting()
    reading = await outbox.reading(KAFKA)
    assert reading.waiting == 1
    assert reading.last_error
    assert "127.0.0.1:9" in reading.last_error
    outbox.clock.at = outbox.clock.at.replace(hour=23)
    await outbox.sender(channel(kafka, topic)).send_waiting()
    assert len(await read_topic(kafka, topic)) == 1
