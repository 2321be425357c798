"""The partition of a deal, as Debezium has chosen the partition for these deals in a topic of five partitions."""

from uuid import UUID

import pytest

from streams.cdc.routing import partition_of

ROUTED = [
    (0, "7d3f54c4-d63f-494d-8f11-7304c2aca6ab"),
    (0, "056397be-c991-433d-b09b-e4db99a8bd57"),
    (2, "8e6b2d08-a270-405e-8d31-d0694161ef1f"),
    (4, "faac2d08-086d-42be-ab9e-3c25b51c81ee"),
]


@pytest.mark.parametrize(("partition", "deal"), ROUTED)
def test_a_deal_belongs_where_debezium_has_sent_it(partition: int, deal: str) -> None:
    assert partition_of(UUID(deal), 5) == partition


def test_deals_spread_evenly() -> None:
    places = [partition_of(UUID(int=number), 8) for number in range(8000)]
    assert all(850 < places.count(partition) < 1150 for partition in range(8))
