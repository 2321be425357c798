"""A record batch that rots on the broker's disk."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from confluent_kafka import Producer

from streams.brokers import Brokers
from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from streams.local.kafka import Kafka
from streams.settings import Settings
from tests.fakes.envelopes import ROW, envelope
from tests.integration.stream.installation import Installation
from tests.servers import EmbeddedServers

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(150)]

FOLDED = "select coalesce(max(source_offset), 0) from funnelproof.partition_progress"


@pytest.fixture
def broker(own_servers: EmbeddedServers) -> Kafka:
    """A broker whose files may be harmed."""
    assert own_servers.kafka
    return own_servers.stack.kafka


def produce(servers: str, topic: str, deal: str) -> None:
    """Send one event, in a batch of its own."""
    row = {**ROW, "id": str(uuid4()), "deal_id": deal}
    sender = Producer({"bootstrap.servers": servers})
    sender.produce(topic, envelope("c", after=row), key=json.dumps({"deal_id": deal}), partition=0)
    assert sender.flush(20) == 0


def flip_a_byte(broker: Kafka, topic: str, of: str) -> None:
    (segment,) = (broker.folder / "data" / f"{topic}-0").glob("*.log")
    content = bytearray(segment.read_bytes())
    content[content.rindex(of.encode())] ^= 1
    segment.write_bytes(content)


async def test_a_worker_stops_at_a_corrupt_batch_and_acknowledges_nothing_after_it(
    broker: Kafka, database: str, tmp_path: Path
) -> None:
    address = broker.address
    given = {
        "SOURCE_DSN": database,
        "KAFKA": address,
        "INSTANCE": "rot",
        "TOPIC_PREFIX": "rot",
        "STATE_DIR": str(tmp_path / "state"),
        "WINDOWS": "1h",
    }
    settings = Settings(**{name.lower(): value for name, value in given.items()})  # type: ignore[arg-type]  # parsed
    topic, deals = settings.data_topic, [str(uuid4()) for _ in range(3)]
    await Topics(Brokers(address)).ensure(topic, 1, DATA_TOPIC_SETTINGS)
    connection = await asyncpg.connect(database)
    environment = {f"FUNNELPROOF_{name}": value for name, value in given.items()}
    installation = Installation(settings, environment, connection, tmp_path)
    assert installation.run("migrate").returncode == 0
    produce(address, topic, deals[0])
    first = installation.start_worker()
    await installation.wait_until(f"select ({FOLDED}) = 1")
    assert await first.stop() == 0

    produce(address, topic, deals[1])
    produce(address, topic, deals[2])
    await asyncio.to_thread(broker.stop)
    flip_a_byte(broker, topic, deals[1])
    await asyncio.to_thread(broker.start)
    assert broker.address == address
    second = installation.start_worker()
    assert await asyncio.to_thread(second.process.wait, 30) == 1
    assert f"{topic}[0] at offset 1: the checksum does not match" in second.log(1)
    assert "funnelproof rebuild" in second.log(1)
    assert await connection.fetchval(FOLDED) == 1
    assert await connection.fetchval("select sum(deals) from funnelproof.partial") == 1
    await connection.close()
