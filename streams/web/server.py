"""The site's server, until SIGTERM or SIGINT."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from streams.web.feed import Feed

STOP_SECONDS = 2
"""The most seconds for which a stopping site waits for answers under way."""


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
