"""The sockets of web sites."""

import socket

from streams.errors import FunnelproofError


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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=backlog)
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
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
