"""The private attributes of faust and aiokafka that the engine uses, and the versions that have them.

To move to a new version of a package: change VERSIONS, read the package's changes in the classes of PRIVATE,
and run the engine's tests.
"""

import importlib
import inspect
import re
from importlib.metadata import version
from typing import NamedTuple

VERSIONS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}


class Private(NamedTuple):
    """Private attributes or methods of a class."""

    module: str
    owner: str
    names: tuple[str, ...]


PRIVATE = (
    Private(
        "aiokafka.consumer.consumer",
        "AIOKafkaConsumer",
        (
            "_auto_offset_reset",
            "_fetch_max_wait_ms",
            "_fetcher",
            "_isolation_level",
            "_partition_assignment_strategy",
            "_subscription",
        ),
    ),
    Private(
        "aiokafka.consumer.fetcher",
        "Fetcher",
        ("_closed", "_create_fetch_waiter", "_notify", "_records", "_subscriptions", "_wait_consume_future"),
    ),
    Private(
        "aiokafka.consumer.fetcher",
        "FetchResult",
        ("_partition_records", "_topic_partition", "_update_position"),
    ),
    Private(
        "aiokafka.consumer.fetcher",
        "PartitionRecords",
        (
            "_aborted_producers",
            "_consume_aborted_up_to",
            "_contains_abort_marker",
            "_records",
            "_records_iterator",
        ),
    ),
    Private("faust.app.base", "App", ("_on_agent_error",)),
    Private("faust.tables.manager", "TableManager", ("_update_channels",)),
    Private(
        "faust.transport.consumer",
        "ThreadDelegateConsumer",
        ("_drain_messages", "_new_consumer_thread", "_thread"),
    ),
    Private(
        "faust.transport.drivers.aiokafka",
        "AIOKafkaConsumerThread",
        ("_create_worker_consumer", "_ensure_consumer"),
    ),
)


def problems() -> list[str]:
    """Return a sentence for every wrong version and for every attribute that an installed package lacks."""
    found = [
        f"the engine was written for {package} {wanted}, not {version(package)}: see streams/engine/private.py"
        for package, wanted in VERSIONS.items()
        if version(package) != wanted
    ]
    for module, owner, names in PRIVATE:
        cls = getattr(importlib.import_module(module), owner)
        source = "".join(inspect.getsource(base) for base in cls.__mro__[:-1] if base.__module__ == module)
        found += [
            f"{module}.{owner} has no {name} any more, which the engine uses"
            for name in names
            if not hasattr(cls, name) and not re.search(rf"\bself\.{name}\b *(:.*)?=", source)
        ]
    return found
