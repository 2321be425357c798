import faust
import pytest
from faust.exceptions import ImproperlyConfigured

from streams.engine import BatchApp
from streams.engine.transport import Transport


class NoPartitions:
    """An owner that is never asked."""

    async def on_assigned(self, partitions: set[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    async def on_revoked(self, partitions: set[int]) -> None:
        """Keep nothing."""


def app(**options: object) -> BatchApp:
    return BatchApp("unit", owner=NoPartitions(), **{"broker": "microbatch://a:1;b:2", **options})  # type: ignore[arg-type]  # any option


def test_the_scheme_finds_the_transport_and_every_broker_is_kept() -> None:
    transport = app().transport
    assert isinstance(transport, Transport)
    assert [(url.host, url.port) for url in transport.url] == [("a", 1), ("b", 2)]


def test_another_transport_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="microbatch://host:port"):
        app(broker="kafka://a:1")


@pytest.mark.parametrize("guarantee", ["exactly_once", faust.types.enums.ProcessingGuarantee.EXACTLY_ONCE])
def test_exactly_once_mode_is_refused(guarantee: object) -> None:
    with pytest.raises(ImproperlyConfigured, match="processing_guarantee"):
        app(processing_guarantee=guarantee)


def test_one_app_reads_one_batch_topic() -> None:
    one = app()
    assert one.batch_topic("deals").get_topic_name() == "deals"
    with pytest.raises(ImproperlyConfigured, match="already reads deals"):
        one.batch_topic("stages")
