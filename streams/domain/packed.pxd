"""The layout of a packed change; `streams.domain.change` explains the fields."""

cdef enum:
    IS_SNAPSHOT = 1
    IS_REKEYED = 2
    NOTHING = 4

cdef extern from *:
    """
    #define GONE 0xFFFFFFFFu
    """
    const unsigned int GONE

cdef packed struct PackedChange:
    unsigned char deal_id[16]
    unsigned char row_id[16]
    unsigned int scope
    unsigned int stage
    long long at
    long long lsn
    long long committed_at
    unsigned char flags
    unsigned char unused[7]
