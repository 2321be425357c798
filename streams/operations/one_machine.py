"""The programs of an installation on one machine, and the addresses of their web sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from streams.errors import SettingsError
from streams.listening import EVERY_ADDRESS, free_ports, url_of
from streams.settings import PREFIX
from streams.supervising.program import Program

WORKER_URL = f"{PREFIX}DASHBOARD_WORKER_URL"
_LAST_PORT = 65_535
_LOOPBACK = dict(zip(EVERY_ADDRESS, ("127.0.0.1", "::1"), strict=True))
_WORKERS_FIRST = 10.0
"""Seconds after which the reconciliation starts: without a worker nothing is proven, and nothing can be compared."""


@dataclass(frozen=True)
class Site:
    """The address of a program's web site."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL for people."""
        return url_of(self.host, self.port)

    @property
    def local_url(self) -> str:
        """The URL for programs on this machine."""
        return url_of(_LOOPBACK.get(self.host, self.host), self.port)


@dataclass(frozen=True)
class OneMachine:
    """The programs of an installation: workers, and where wanted alerts, the reconciliation and the page.

    `every` is the interval of the reconciliation, as `reconcile --every` has it. `environment` is that of all programs.
    """

    environment: Mapping[str, str]
    workers: Sequence[Site]
    alerts: Site | None = None
    every: str | None = None
    page: Site | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Raise SettingsError if two sites have one port."""
        owners: dict[int, str] = {}
        for name, site in self.sites.items():
            if (other := owners.setdefault(site.port, name)) != name:
                raise SettingsError(
                    f"{other} and {name} cannot both listen on port {site.port}: choose others with --port "
                    "and --web-port"
                )

    @property
    def sites(self) -> dict[str, Site]:
        """The web sites by the names of their programs, in the order of `programs`."""
        named = {worker_name(number): site for number, site in enumerate(self.workers, 1)}
        return named | {name: site for name, site in (("alerts", self.alerts), ("page", self.page)) if site}

    def programs(self) -> list[Program]:
        """Return the programs in the order of their start."""
        programs = [self.worker(number) for number in range(1, len(self.workers) + 1)]
        if self.alerts:
            programs.append(self._alerts(self.alerts))
        if self.every:
            reconcile = self._program("reconcile", ["reconcile", "--every", self.every])
            programs.append(replace(reconcile, delay=_WORKERS_FIRST))
        if self.page:
            programs.append(self._page(self.page))
        return programs

    def worker(self, number: int) -> Program:
        """Return the worker with this number, from 1 on. Without workers there are no numbers, so each is needed."""
        command = ["worker", *_web_site(self.workers[number - 1])]
        return self._program(worker_name(number), command, needed=True)

    def _alerts(self, site: Site) -> Program:
        return self._program("alerts", ["alerts", "run", *_web_site(site)])

    def _page(self, site: Site) -> Program:
        command = ["dashboard", "--host", site.host, "--port", str(site.port)]
        # The page has the events of a deal from any worker: from the first, unless the user names another.
        return self._program("page", command, {WORKER_URL: self.workers[0].local_url})

    def _program(
        self,
        name: str,
        command: Sequence[str],
        defaults: Mapping[str, str] | None = None,
        *,
        needed: bool = False,
    ) -> Program:
        return Program(name, command, {**(defaults or {}), **self.environment}, self.folder, needed=needed)


def worker_name(number: int) -> str:
    """Return the name of a worker's program."""
    return f"worker-{number}"


def web_sites(host: str, first_port: int, count: int) -> list[Site]:
    """Return sites on `count` ports from `first_port` on, or on free ports if `first_port` is 0.

    Raises SettingsError if there are too few ports after the first.
    """
    if not first_port:
        return [Site(host, port) for port in free_ports(count, host)]
    if first_port + count - 1 > _LAST_PORT:
        raise SettingsError(
            f"{count} web sites need {count} ports from {first_port} on: choose a lower --web-port"
        )
    return [Site(host, first_port + place) for place in range(count)]


def _web_site(site: Site) -> list[str]:
    return ["--web-host", site.host, "--web-port", str(site.port)]
