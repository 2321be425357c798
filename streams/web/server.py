"""The site on a socket, until SIGTERM or SIGINT."""

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from streams.errors import FunnelproofError
from streams.web.feed import Feed

STOP_SECONDS = 2
"""The most seconds for which a stopping site waits for answers under way."""


class AddressError(FunnelproofError):
    """The site cannot listen on the address; the message names the address and the reason."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address; port 0 is any free port. Raises AddressError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (")[0]
        raise AddressError(
            f"the page cannot listen on {host} port {port} ({reason}): "
            "choose others with --host and --port; port 0 is any free one"
        ) from error


def address_of(listening: socket.socket) -> str:
    """Return the URL of a site on the socket. A socket on every address has the machine's name in the URL."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class SiteServer(uvicorn.Server):
    """Serves the site. A stop ends the open streams first: the server waits for answers under way."""

    def __init__(self, site: FastAPI) -> None:
        self._site = site
        super().__init__(
            uvicorn.Config(
                site,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # the gate reads the headers of a proxy itself, from named peers only
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at the first signal, at once at the second. The signal is not raised again: a stop is no failure."""
        del sig, frame
        self.force_exit = self.should_exit
        self.stop()

    def stop(self) -> None:
        """Have the server stop; may be called from another thread."""
        feed: Feed | None = getattr(self._site.state, "feed", None)
        if feed is not None:
            feed.close()
        self.should_exit = True
