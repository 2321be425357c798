"""Which windows each tenant has: the same kinds for all, in timezones that may differ and change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from streams.domain.windows import Window, WindowKind, Zone, window_kind

Zones = tuple[Zone, ...]
DEFAULT = ""
"""The tiling of tenants without a timezone of their own."""


@dataclass(frozen=True)
class WindowPlan:
    """The names of the window kinds, the timezones since when, and those of tenants that have their own.

    Tenants with the same timezones share a *tiling*: the windows of all kinds, under a name.
    """

    names: tuple[str, ...]
    zones: Zones
    tenants: Mapping[str, Zones] = field(default_factory=dict)

    @property
    def tenant_timezones(self) -> str:
        """Return the timezones that tenants have now for themselves, as a setting says it."""
        return ",".join(f"{tenant}={zones[-1].timezone}" for tenant, zones in sorted(self.tenants.items()))

    @property
    def description(self) -> str:
        """Return a text that is the same for equal plans only."""
        own = [f"{tenant} {_name(zones)}" for tenant, zones in sorted(self.tenants.items())]
        return "\n".join([",".join(self.names), _name(self.zones), *own])

    @cached_property
    def tilings(self) -> dict[str, tuple[WindowKind, ...]]:
        """Return the kinds of every tiling by its name."""
        zones = {DEFAULT: self.zones} | {_name(own): own for own in self.tenants.values()}
        return {
            tiling: tuple(window_kind(name, *one) for name in self.names) for tiling, one in zones.items()
        }

    def tiling_of(self, tenant_id: str) -> str:
        """Return the name of a tenant's tiling."""
        own = self.tenants.get(tenant_id)
        return DEFAULT if own is None else _name(own)

    def kinds_of(self, tenant_id: str) -> tuple[WindowKind, ...]:
        """Return the kinds as they lie for a tenant."""
        return self.tilings[self.tiling_of(tenant_id)]

    def kind_of(self, tenant_id: str, name: str) -> WindowKind:
        """Return one kind as it lies for a tenant; raises KeyError for a name that is not planned."""
        for kind in self.kinds_of(tenant_id):
            if kind.name == name:
                return kind
        raise KeyError(name)

    def has(self, tenant_id: str, window: Window) -> bool:
        """Whether the window is one of the tenant's."""
        return (
            len(self.tilings) == 1 or self.kind_of(tenant_id, window.name).window_at(window.start) == window
        )

    def present(self, at: int) -> list[tuple[Window, str]]:
        """Return every window that holds `at`, with the name of its tiling."""
        return [(kind.window_at(at), tiling) for tiling, kinds in self.tilings.items() for kind in kinds]

    def next_end(self, at: int) -> int:
        """Return when the first of the windows that hold `at` ends."""
        return min(window.end for window, _ in self.present(at))

    def ending_in(self, after: Mapping[str, int], until: int, limit: int) -> list[Window]:
        """Return windows whose end lies in `(after[name], until]`, oldest first.

        Of each kind all up to some end, and of each tiling at most `limit`: the rest is for another time.
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
    """Return the plan of an installation that never had other timezones."""
    own = {tenant: (Zone(None, zone),) for tenant, zone in (tenants or {}).items()}
    return WindowPlan(tuple(names), (Zone(None, timezone),), own)


def _name(zones: Zones) -> str:
    return " ".join(
        zone.timezone if zone.since is None else f"{zone.since}:{zone.timezone}" for zone in zones
    )
