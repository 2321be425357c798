"""The sockets of web sites, and ports that are free."""

import random
import socket

from streams.errors import FunnelproofError, PreconditionError

HOST = "127.0.0.1"
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
# Below the range of ports that Linux and macOS give to outgoing connections. A client that keeps trying to reach a
# stopped server could otherwise be given the server's own port as its outgoing port, and would connect to itself.
_RANGE = range(20_000, 32_000)


class WebAddressError(FunnelproofError):
    """The web site cannot listen on the address; the message names the address and the reason."""


def listen(
    host: str,
    port: int,
    *,
    site: str = "the web site",
    options: tuple[str, str] = ("--web-host", "--web-port"),
    backlog: int | None = None,
) -> socket.socket:
    """Return a socket bound to the address; port 0 is any free port. Raises WebAddressError.

    `site` and `options` are the site and the two options that set host and port, in the words of the error.
    `backlog` is the number of clients that may wait for a connection; None: the system's default.
    """
    try:
        listening = socket.create_server((host, port), family=_family(host), backlog=backlog)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        raise WebAddressError(
            f"{site} cannot listen on {host} port {port} ({reason}): "
            f"choose others with {options[0]} and {options[1]}; port 0 is any free one"
        ) from error
    # Connections inherit the option; asyncio sets the option on sockets of its own making alone. Without the option the
    # body of a small answer waits 40 ms for the acknowledgement of the head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the URL of a site on the socket. A socket on every address has the machine's name in the URL."""
    return url_of(*listening.getsockname()[:2])


def url_of(host: str, port: int) -> str:
    """Return the URL of a site on the address. A site on every address has the machine's name in the URL."""
    if host in EVERY_ADDRESS:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def free_ports(count: int, host: str = HOST) -> list[int]:
    """Return ports on which nothing listens, chosen by chance. Raises PreconditionError if too few ports are free."""
    free = (port for port in random.SystemRandom().sample(_RANGE, 1_000) if is_free(port, host))
    found = [port for port, _ in zip(free, range(count), strict=False)]
    if len(found) < count:
        raise PreconditionError(
            f"no free port between {_RANGE.start} and {_RANGE.stop}: end a program that listens on one of them"
        )
    return found


def is_free(port: int, host: str = HOST) -> bool:
    """Return true if a site can listen on the address now."""
    with socket.socket(_family(host)) as probe:
        # Closed connections of a past run do not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
