"""`funnelproof worker`."""

import asyncio

import typer

from streams.logs import configure_logging
from streams.settings import load_settings


def worker() -> None:
    """Run one worker until SIGTERM or SIGINT: it folds its share of the log, flushes, proves and closes.

    Start as many as there are cores or machines; Kafka shares the partitions among them.

    Example: `funnelproof worker`
    """
    # Faust takes half a second to import, which no other command should wait for.
    import faust  # noqa: PLC0415 - see above

    from streams.app import check_worker, create_app  # noqa: PLC0415 - see above

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    asyncio.run(check_worker(settings))
    process = faust.Worker(create_app(settings), override_logging=False, quiet=True, redirect_stdouts=False)
    raise typer.Exit(process.execute_from_commandline() or 0)
