"""The topic `<instance>.alerts`: every transition of every alert, in order, under the alert's id as key."""

from contextlib import suppress
from datetime import datetime, timedelta

from confluent_kafka import KafkaException

from streams.alerts.addresses import KAFKA
from streams.alerts.delivery.channel import Message, ReceiverError
from streams.alerts.delivery.envelope import Envelopes
from streams.cdc.event_producer import Event, EventProducer
from streams.errors import FunnelproofError, one_line


class AlertTopic:
    """The channel to Kafka. The producer's topic is made where it is missing."""

    name = KAFKA
    at_once: int | None = 500
    patience: timedelta | None = None

    def __init__(self, producer: EventProducer, envelopes: Envelopes) -> None:
        self._producer = producer
        self._envelopes = envelopes

    async def begin(self) -> None:
        """Be ready for the first message, which takes seconds otherwise. Where Kafka is away, `send` tries again."""
        with suppress(FunnelproofError, KafkaException, OSError):
            await self._producer.begin()

    async def send(self, message: Message, now: datetime) -> None:
        """Return once Kafka has confirmed all transitions of the message."""
        del now
        events = [
            Event(str(transition.alert_id), self._envelopes.one(transition).decode())
            for transition in message.transitions
        ]
        try:
            await self._producer.prepare()
            await self._producer.send(events)
        except (FunnelproofError, KafkaException, BufferError, OSError) as error:
            raise ReceiverError(one_line(error)) from error

    async def close(self) -> None:
        """Do nothing: a producer without a transaction holds nothing."""
