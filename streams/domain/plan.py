"""The windows of every tenant: equal kinds, in timezones that differ between tenants and change over time.

Two tenants with equal timezones have equal windows. A *tiling* is the set of window kinds under a list of timezones,
and its name is that list. Example: tenant A follows the default `UTC`, tenants B and C have `Asia/Tokyo` of their own.
The plan then has two tilings, `""` for A and `"Asia/Tokyo"` for B and C; a day in Tokyo begins at 15:00 UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from streams.domain.timezone import offsets_digest
from streams.domain.windows import CALENDAR_UNITS, Window, WindowKind, Zone, window_kind

Zones = tuple[Zone, ...]
DEFAULT = ""
"""The name of the tiling for tenants without a timezone of their own."""


@dataclass(frozen=True)
class WindowPlan:
    """Names of the window kinds, the default timezones, and the timezones of tenants that differ (by tenant id)."""

    names: tuple[str, ...]
    zones: Zones
    tenants: Mapping[str, Zones] = field(default_factory=dict)

    @property
    def tenant_timezones(self) -> str:
        """The present timezones of tenants that differ, in the form of the setting: `id=Asia/Tokyo,...`."""
        return ",".join(f"{tenant}={zones[-1].timezone}" for tenant, zones in sorted(self.tenants.items()))

    @property
    def description(self) -> str:
        """A text that is equal for equal plans only: equal names, equal timezones, and equal boundaries of windows.

        Example: a worker with tzdata 2022f and a worker with 2022e have equal settings, and different days in Mexico.
        """
        own = [f"{tenant} {_name(zones)}" for tenant, zones in sorted(self.tenants.items())]
        boundaries = [self.boundaries] if self.boundaries else []
        return "\n".join([",".join(self.names), _name(self.zones), *own, *boundaries])

    @cached_property
    def boundaries(self) -> str:
        """The offsets from UTC of every timezone in use, as digests: `Asia/Tokyo=5f0c...,Europe/Berlin=91d2...`.

        Timezones equal to UTC are left out, and all of them if no kind of window is a calendar unit.
        """
        if not any(name in CALENDAR_UNITS for name in self.names):
            return ""
        used = {zone.timezone for zones in (self.zones, *self.tenants.values()) for zone in zones}
        digests = {name: offsets_digest(name) for name in sorted(used)}
        return ",".join(f"{name}={digest}" for name, digest in digests.items() if digest)

    @cached_property
    def tilings(self) -> dict[str, tuple[WindowKind, ...]]:
        """The window kinds of every tiling, by the tiling's name."""
        zones = {DEFAULT: self.zones} | {_name(own): own for own in self.tenants.values()}
        return {
            tiling: tuple(window_kind(name, *one) for name in self.names) for tiling, one in zones.items()
        }

    def tiling_of(self, tenant_id: str) -> str:
        """Return the name of the tenant's tiling."""
        own = self.tenants.get(tenant_id)
        return DEFAULT if own is None else _name(own)

    def kinds_of(self, tenant_id: str) -> tuple[WindowKind, ...]:
        """Return the window kinds in the tenant's timezones."""
        return self.tilings[self.tiling_of(tenant_id)]

    def kind_of(self, tenant_id: str, name: str) -> WindowKind:
        """Return the kind called `name` in the tenant's timezones; raises KeyError for an unplanned name."""
        for kind in self.kinds_of(tenant_id):
            if kind.name == name:
                return kind
        raise KeyError(name)

    def has(self, tenant_id: str, window: Window) -> bool:
        """Return True if entries of the tenant are counted in exactly this window.

        False for a window that was closed with the boundaries of an older tzdata. Raises KeyError for an unplanned
        name.
        """
        return self.kind_of(tenant_id, window.name).window_at(window.start) == window

    def present(self, at: int) -> list[tuple[Window, str]]:
        """Return the windows around `at`, and for each window the name of a tiling."""
        return [(kind.window_at(at), tiling) for tiling, kinds in self.tilings.items() for kind in kinds]

    def next_end(self, at: int) -> int:
        """Return the earliest end of the windows that contain `at`."""
        return min(window.end for window, _ in self.present(at))

    def ending_in(self, after: Mapping[str, int], until: int, limit: int) -> list[Window]:
        """Return windows whose end lies in `(after[name], until]`, oldest first, at most `limit` per kind and tiling.

        A kind's result is complete up to some end in every tiling: the caller continues from there. Example: with a
        limit of 2, UTC has hours that end at 1, 2, 3 and Kathmandu has hours that end at 0:15, 1:15, 2:15. The result
        stops at 1:15, the earlier of the two second ends, and holds 0:15, 1 and 1:15.
        """
        found: set[Window] = set()
        last = dict.fromkeys(self.names, until)
        for kinds in self.tilings.values():
            for kind in kinds:
                for count, window in enumerate(kind.windows_ending_in(after[kind.name], until), start=1):
                    found.add(window)
                    if count == limit:
                        last[kind.name] = min(last[kind.name], window.end)
                        break
        return sorted(
            (one for one in found if one.end <= last[one.name]),
            key=lambda one: (one.end, one.name, one.start),
        )


def plan_for(names: Sequence[str], timezone: str, tenants: Mapping[str, str] | None = None) -> WindowPlan:
    """Return the plan of an installation whose timezones never changed."""
    own = {tenant: (Zone(None, zone),) for tenant, zone in (tenants or {}).items()}
    return WindowPlan(tuple(names), (Zone(None, timezone),), own)


def _name(zones: Zones) -> str:
    return " ".join(
        zone.timezone if zone.since is None else f"{zone.since}:{zone.timezone}" for zone in zones
    )
