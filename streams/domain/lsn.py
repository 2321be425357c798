"""Positions in Postgres' log as text: `0/16B3748` is the number 23803720 (PostgreSQL documentation, type pg_lsn)."""


def lsn_text(position: int) -> str:
    """Return a position as Postgres writes the position."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def lsn_number(text: str) -> int:
    """Return the number of a position that Postgres has written; raises ValueError for any other text."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)
