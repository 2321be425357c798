"""The partition of a deal's events, as Debezium chooses the partition.

The connector's PartitionRouting (partition.hash.function=murmur) hashes the text of `deal_id` with a 64-bit MurmurHash3
in the early form that Infinispan keeps, and takes the upper 32 bits without the sign. An integration test holds this
module equal to the partitions of a real connector.
"""

import struct
from uuid import UUID

_BITS = (1 << 64) - 1
_SEED = 9001


def partition_of(deal_id: UUID, partitions: int) -> int:
    """Return the partition in which all events of a deal belong."""
    return (_murmur3(str(deal_id).encode()) >> 32 & 0x7FFF_FFFF) % partitions


def _murmur3(data: bytes) -> int:
    """Return the first half of the 128-bit hash; its constants change from block to block."""
    one, two = 0x9368_E53C_2F6A_F274 ^ _SEED, 0x586D_CD20_8F7C_D3FD ^ _SEED
    scale_one, scale_two = 0x87C3_7B91_1142_53D5, 0x4CF5_AD43_2745_937F
    padded = data + bytes(-len(data) % 16)
    for block_one, block_two in struct.iter_unpack("<QQ", padded):
        one ^= _times(_rotated(_times(block_one, scale_one), 23), scale_two)
        one = one + two & _BITS
        two = _rotated(two, 41) ^ _times(_rotated(_times(block_two, scale_two), 23), scale_one)
        two = two + one & _BITS
        one = one * 3 + 0x52DC_E729 & _BITS
        two = two * 3 + 0x3849_5AB5 & _BITS
        scale_one = scale_one * 5 + 0x7B7D_159C & _BITS
        scale_two = scale_two * 5 + 0x6BCE_6396 & _BITS
    two ^= len(data)
    one = one + two & _BITS
    two = two + one & _BITS
    return _mixed(one) + _mixed(two) & _BITS


def _mixed(value: int) -> int:
    for factor in (0xFF51_AFD7_ED55_8CCD, 0xC4CE_B9FE_1A85_EC53):
        value = _times(value ^ value >> 33, factor)
    return value ^ value >> 33


def _times(value: int, factor: int) -> int:
    return value * factor & _BITS


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _BITS
