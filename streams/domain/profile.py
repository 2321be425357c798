"""Profiles: a count of a window, split by the buckets in which the deals entered and converted.

A window is cut into BUCKETS equal buckets, from 0 to 11, by its own start and end. Example: the buckets of an hour have
five minutes; the buckets of a day with 25 hours have two hours and five minutes. A deal that entered A in bucket 2 and
B in bucket 5 counts for the step (A, A) at the place (2, 2), for (B, B) at (5, 5), and for (A, B) at (2, 5).

A profile is a single integer. A deal at place number k has the value BASE**k: read in decimal, every place has eight
digits, and the first place is at the right end. Example: three deals at place 0 and two deals at place 1 have the
profile 2_00000003. So the sum of two profiles is the profile of all deals, in Python and in Postgres alike. The
remainder of a division by BASE - 1 is the number of deals, just as the remainder by 9 is the sum of decimal digits.

A profile holds fewer than 99,999,999 deals. A partition's deals fit into memory, so a partition has fewer.
"""

from typing import TypeAlias

Profile: TypeAlias = int

BUCKETS = 12
BASE = 10**8
_LAST_DIGIT = BASE - 1


def bucket_of(at: int, start: int, end: int) -> int:
    """Return the bucket of instant `at` in the window `[start, end)`, exactly."""
    return (at - start) * BUCKETS // (end - start)


def place_of(entered: int, converted: int) -> int:
    """Return the number of the place of two buckets, `converted` not before `entered`.

    Places of equal age follow each other, the youngest first, so that quick conversions make small numbers. Example:
    (0, 0) to (11, 11) have the places 0 to 11, (0, 1) to (10, 11) the places 12 to 22, and (0, 11) has place 77.
    """
    age = converted - entered
    return age * (2 * BUCKETS + 1 - age) // 2 + entered


PLACES: tuple[tuple[int, int], ...] = tuple(
    (entered, entered + age) for age in range(BUCKETS) for entered in range(BUCKETS - age)
)
"""The buckets (entry, conversion) of each of the 78 places, by the place's number."""

UNITS: tuple[Profile, ...] = tuple(
    BASE ** place_of(entered, converted) if converted >= entered else 0
    for entered in range(BUCKETS)
    for converted in range(BUCKETS)
)
"""The profile of a single deal, at index 12 * (bucket of the entry) + (bucket of the conversion)."""


def deals_in(profile: Profile) -> int:
    """Return the number of deals: the count that the profile splits."""
    return profile % _LAST_DIGIT


def deals_by_place(profile: Profile) -> list[int]:
    """Return the deals at each of the 78 places, in the order of PLACES: the profile's digits in base BASE.

    Example: 2_00000003 gives [3, 2, 0, ..., 0]. A profile in decimal text, filled with zeros on the left to 624
    characters, has the deals of place k in the eight characters that end 8 * k before the end.
    """
    deals = []
    while profile:
        profile, at_place = divmod(profile, BASE)
        deals.append(at_place)
    deals.extend([0] * (len(PLACES) - len(deals)))
    return deals


def entered(profile: Profile) -> list[int]:
    """Return the deals that entered a stage, by bucket of the entry: an entry has the places (0, 0) to (11, 11)."""
    return deals_by_place(profile)[:BUCKETS]


def converted(profile: Profile) -> list[list[int]]:
    """Return the deals that converted, by bucket of the entry, then by bucket of the conversion."""
    deals = [[0] * BUCKETS for _ in range(BUCKETS)]
    for (i, j), count in zip(PLACES, deals_by_place(profile), strict=True):
        deals[i][j] = count
    return deals
