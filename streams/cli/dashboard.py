"""`funnelproof dashboard`."""

from typing import Annotated

import typer

from streams.cli.output import stderr
from streams.logs import configure_logging
from streams.settings import load_settings


def dashboard(
    host: Annotated[
        str, typer.Option(help="Address of the page; other machines reach only another.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")] = 8800,
) -> None:
    """Serve the page and its API until SIGTERM or SIGINT.

    Example: `funnelproof dashboard --port 8800`
    """
    # Importing FastAPI takes half a second; no other command should wait for the import.
    from streams.web.server import SiteServer, address_of, listen  # noqa: PLC0415 - see above
    from streams.web.site import create_site  # noqa: PLC0415 - see above

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    with listen(host, port) as listening:
        stderr.print(f"the page is at {address_of(listening)}", highlight=False, soft_wrap=True)
        SiteServer(create_site(settings)).run(sockets=[listening])
