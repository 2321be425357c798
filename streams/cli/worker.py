"""`funnelproof worker`."""

import asyncio
from typing import Annotated

import structlog
import typer

from streams.cli.web_site import WebHost, WebPort
from streams.listening import HOST, address_of, listen
from streams.logs import configure_logging
from streams.settings import load_settings

log = structlog.get_logger(__name__)


def _with_scheme(url: str | None) -> str | None:
    if url is not None and not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"write it as http://host:port, not {url!r}")
    return url


def worker(
    web_port: WebPort = 0,
    web_host: WebHost = HOST,
    web_url: Annotated[
        str | None,
        typer.Option(
            callback=_with_scheme,
            help="Its URL for others, where that is not http://, address or name, port.",
        ),
    ] = None,
) -> None:
    """Run a worker until SIGTERM or SIGINT. The worker folds a share of the log, flushes, proves and closes.

    Start a worker for each core or machine; Kafka shares the partitions among the workers.

    Example: `funnelproof worker --web-port 9464`
    """
    # Importing Faust takes half a second; no other command should wait for the import.
    import faust  # noqa: PLC0415 - see above

    from streams.app import create_app  # noqa: PLC0415 - see above
    from streams.cdc.envelope import IS_COMPILED  # noqa: PLC0415 - see above
    from streams.operations.metrics import Metrics  # noqa: PLC0415 - see above
    from streams.operations.site import Site  # noqa: PLC0415 - see above
    from streams.running import check_worker  # noqa: PLC0415 - see above
    from streams.worker import Worker  # noqa: PLC0415 - see above

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    if not IS_COMPILED:
        log.warning(
            "events cost more than twice the CPU: install a C compiler, then funnelproof again, to have it compiled"
        )
    with listen(web_host, web_port) as listening:
        asyncio.run(check_worker(settings))
        metrics = Metrics()
        one = Worker(settings, metrics)
        app = create_app(one, (web_url or address_of(listening)).rstrip("/"))
        process = faust.Worker(
            app,
            Site(listening, one, app.peers, metrics),
            override_logging=False,
            quiet=True,
            redirect_stdouts=False,
        )
        process.spinner = None  # the spinner writes escape sequences into the log
        try:
            process.execute_from_commandline()  # exits the process
        finally:
            app.tell_end()
