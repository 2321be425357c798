import itertools
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.batch import PartitionRecords, RecordBatch, pack


@dataclass(frozen=True)
class Plain:
    """A record of which only the offset matters."""

    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@st.composite
def partitions(draw: st.DrawFn) -> list[PartitionRecords]:
    parts = []
    for partition in range(draw(st.integers(0, 4))):
        offsets = sorted(draw(st.sets(st.integers(0, 60), max_size=25)))
        end = (offsets[-1] + 1 if offsets else 0) + draw(st.integers(0, 3))
        parts.append(PartitionRecords(partition, [Plain(offset) for offset in offsets], end))
    return parts


@given(partitions(), st.integers(1, 12))
def test_packing_keeps_every_record_in_order_and_the_last_position(
    parts: list[PartitionRecords], limit: int
) -> None:
    groups = list(pack(parts, limit))
    assert all(0 <= sum(len(part.records) for part in group) <= limit for group in groups)
    for part in parts:
        pieces = [piece for group in groups for piece in group if piece.partition == part.partition]
        assert [record for piece in pieces for record in piece.records] == list(part.records)
        assert pieces[-1].next_offset == part.next_offset
        for piece, following in itertools.pairwise(pieces):
            assert piece.next_offset == piece.records[-1].offset + 1
            assert following.records[0].offset >= piece.next_offset


@given(partitions(), st.integers(1, 12))
def test_packing_puts_a_partition_into_a_batch_at_most_once(
    parts: list[PartitionRecords], limit: int
) -> None:
    for group in pack(parts, limit):
        assert len({part.partition for part in group}) == len(group)


def test_a_part_without_records_still_carries_its_position() -> None:
    (group,) = pack([PartitionRecords(0, [], 17)], 10)
    assert group == (PartitionRecords(0, [], 17),)


def test_a_batch_without_records_is_true_so_that_its_positions_are_not_skipped() -> None:
    batch = RecordBatch((PartitionRecords(0, [], 17),), 1)
    assert len(batch) == 0
    assert batch
