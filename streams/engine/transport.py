"""The transport that Faust finds by the URL scheme `microbatch`."""

from typing import ClassVar

from faust.transport.drivers import aiokafka as driver

from streams.engine.consumer import Consumer


class Transport(driver.Transport):
    """Faust's Kafka transport with a consumer that delivers record batches."""

    Consumer: ClassVar[type[Consumer]] = Consumer
