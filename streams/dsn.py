"""Postgres addresses as URLs, read part by part: by whoever must pass a part on, show it, or refuse it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from streams.tls import require_file

FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""The parameters that name a file on the machine of the connecting program."""
_OTHERS = {
    *("channel_binding", "connect_timeout", "gssdelegation", "gssencmode", "hostaddr", "load_balance_hosts"),
    *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"),
    *(
        "require_auth",
        "requirepeer",
        "requiressl",
        "sslcertmode",
        "sslcompression",
        "sslkeylogfile",
        "sslsni",
    ),
}
"""Parameters of Postgres' own client library that this program's driver would send to the server as settings."""
_SHAPE = (
    "is not an address: write it as postgresql://user:password@host:5432/database, "
    "with special characters of the password percent-encoded"
)


@dataclass(frozen=True)
class Dsn:
    """The parts of a postgresql:// URL, decoded. A host that begins with "/" is the folder of a socket.

    `ports` has as many entries as `hosts`. A missing part is None or empty; the driver then takes a default.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> "Dsn":
        """Read a URL. Raises ValueError with a sentence that never holds the password."""
        try:
            url = urlsplit(text)
            query = parse_qs(url.query, strict_parsing=True) if url.query else {}
        except ValueError:
            raise ValueError(_SHAPE) from None
        # An unescaped slash, question mark or number sign in a password moves the "@" out of the part with the host.
        if url.scheme not in ("postgresql", "postgres") or "@" in url.path + url.fragment or "#" in text:
            raise ValueError(_SHAPE)
        credentials, _, places = url.netloc.rpartition("@")
        if "@" in credentials:
            raise ValueError(_SHAPE)
        given = {name: values[-1] for name, values in query.items()}
        user, _, password = credentials.partition(":")
        hosts, ports = _places(places or given.get("host", ""), given.get("port", ""), in_url=bool(places))
        database = given.get("dbname") or given.get("database")
        if url.path:
            database = unquote(url.path.removeprefix("/"))
        return cls(
            hosts,
            ports,
            unquote(user) or given.get("user"),
            unquote(password) or given.get("password"),
            database,
            {
                name: value
                for name, value in given.items()
                if name not in ("host", "port", "user", "password", "dbname", "database")
            },
        )

    @property
    def address(self) -> str:
        """Hosts, ports and database as text, never user or password."""
        places = (
            host if host.startswith("/") else f"{f'[{host}]' if ':' in host else host}:{port}"
            for host, port in zip(self.hosts, self.ports, strict=True)
        )
        return f"{','.join(places) or 'the local socket'}/{self.database or ''}".rstrip("/")


def check_dsn(text: str, *, files_are_here: bool) -> str:
    """Return the URL `text`. Raises ValueError if the program's driver cannot take the URL.

    `files_are_here`: the files that the URL names must exist on this machine.
    """
    dsn = Dsn.parse(text)
    if unknown := sorted(_OTHERS & dsn.parameters.keys()):
        raise ValueError(f"has the parameter {', '.join(unknown)}, which is not supported: leave it out")
    if files_are_here:
        for name in FILES:
            if name in dsn.parameters:
                try:
                    require_file(Path(dsn.parameters[name]))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from error
    return text


def _places(places: str, port: str, *, in_url: bool) -> tuple[tuple[str, ...], tuple[int, ...]]:
    hosts, ports = [], []
    try:
        given = [int(part) for part in port.split(",")] if port else []
        parts = places.split(",") if places else []
        for number, place in enumerate(parts):
            host, own = _place(place)
            default = given[number % len(given)] if len(given) in (1, len(parts)) else 5432
            hosts.append(unquote(host) if in_url else host)
            ports.append(int(own) if own and not given else default)
    except ValueError:
        raise ValueError(_SHAPE) from None
    if given and len(given) not in (1, len(parts)):
        raise ValueError(f"names {len(parts)} hosts, but {len(given)} ports")
    return tuple(hosts), tuple(ports)


def _place(place: str) -> tuple[str, str]:
    """Split host and port; an IPv6 address stands in brackets."""
    if not place:
        raise ValueError
    if place.startswith("/"):
        return place, ""
    if place.startswith("["):
        host, closed, rest = place[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError
        return host, rest.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port
