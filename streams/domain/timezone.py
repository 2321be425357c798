"""Timezones: names, offsets from UTC, and the setting that gives a tenant a timezone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from hashlib import blake2b
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FIRST_YEAR, LAST_YEAR = 2000, 2060
"""The years in use: `offsets_digest` covers entries of these years."""
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_NONE = timedelta(0)

_AMBIGUOUS = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""Beginnings of names to refuse: they depend on the machine, or count leap seconds."""


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the timezone called `name`, the same object for the process's life.

    A zone file that is replaced on disk must not change the windows of a running worker.
    """
    return ZoneInfo(name)


@cache
def offsets_digest(name: str) -> str:
    """Return a digest of the timezone's offsets from UTC in the years in use; "" for a timezone that equals UTC.

    Two machines with equal digests have equal calendar windows. Example: tzdata 2022f took summer time from
    America/Mexico_City. With an older file, the days there begin an hour earlier in summer, and the digest is another.
    """
    changes = _offset_changes(zone_of(name))
    if changes == [(_at(FIRST_YEAR), _NONE)]:
        return ""
    told = "\n".join(f"{at.isoformat()} {offset // _SECOND}" for at, offset in changes)
    return blake2b(told.encode(), digest_size=8).hexdigest()


def _offset_changes(zone: ZoneInfo) -> list[tuple[datetime, timedelta]]:
    """Return the offset at the beginning of the years in use, and every later change: UTC instant and new offset."""

    def offset(at: datetime) -> timedelta:
        return zone.fromutc(at.replace(tzinfo=zone)).utcoffset() or _NONE

    at, end = _at(FIRST_YEAR), _at(LAST_YEAR + 1)
    changes = [(at, offset(at))]
    while at < end:
        following = at + _DAY
        if offset(following) != changes[-1][1]:
            low, high = at, following
            while high - low > _SECOND:
                middle = low + (high - low) // _SECOND // 2 * _SECOND
                low, high = (middle, high) if offset(middle) == changes[-1][1] else (low, middle)
            changes.append((high, offset(high)))
        at = following
    return changes


def _at(year: int) -> datetime:
    return datetime(year, 1, 1)  # noqa: DTZ001 - UTC, as `fromutc` takes it


def check_timezone(name: str) -> str:
    """Return `name` unchanged; raises ValueError for an unknown timezone."""
    if name.startswith(_AMBIGUOUS) or not _is_known(name):
        raise ValueError(f"{name!r} is not a timezone: write it as Europe/Berlin or UTC")
    return name


def parse_tenant_timezones(given: object) -> dict[UUID, str]:
    """Return tenants' timezones, from `id=Asia/Tokyo,...` or a table; raises ValueError that lists the mistakes."""
    if isinstance(given, str):
        parts = [part.partition("=") for part in given.split(",") if part.strip()]
        pairs = [(tenant.strip(), zone.strip()) for tenant, _, zone in parts]
    elif isinstance(given, Mapping):
        pairs = [(str(tenant), str(zone)) for tenant, zone in given.items()]
    else:
        raise ValueError(f"{given!r} names no tenants: write it as id=Asia/Tokyo")  # noqa: TRY004 - for pydantic
    found: dict[UUID, str] = {}
    problems: list[str] = []
    for tenant, zone in pairs:
        try:
            identifier, timezone = _tenant(tenant), check_timezone(zone)
        except ValueError as error:
            problems.append(f"{tenant}: {error}")
            continue
        if identifier in found:
            problems.append(f"{tenant}: is named twice")
        found[identifier] = timezone
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _tenant(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError("is no tenant's UUID") from None
