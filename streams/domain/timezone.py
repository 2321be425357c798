"""Names of timezones, and the setting that gives tenants timezones of their own."""

from collections.abc import Mapping
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_AMBIGUOUS = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""Beginnings of names to refuse: they depend on the machine, or count leap seconds."""


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
