"""A common form for the log lines of funnelproof and of the libraries: text for people, or JSON objects.

Log lines always go to stderr.
"""

import logging
import sys
import time
from collections.abc import Callable
from typing import Literal

import structlog
from structlog.typing import Processor

NOISY = {
    "aiokafka": logging.ERROR,
    "asyncpg": logging.ERROR,  # a traceback whenever a pool cannot connect, which loops tell in one line
    "faust": logging.ERROR,
    "mode": logging.CRITICAL,  # its errors are tracebacks of a reason that the worker itself logs
}
"""The loggers whose lower lines are of use to nobody but a developer, who sees all lines at the level debug."""
_NEVER = logging.CRITICAL + 1
QUOTING = {"apprise": _NEVER, "urllib3": _NEVER, "httpx": logging.WARNING, "httpcore": logging.WARNING}
"""The loggers whose lines quote addresses, which may hold secrets. Lower lines are never logged, at no level."""
REPEATED = "Crashed reason=%r"
"""The end of mode's message for each part of a worker that stops: each repeats the traceback."""
ENDED = "Error while stopping child %r: %r"
"""The end of mode's message for a part that cannot be stopped, for example a thread that has ended already."""
HELD = "aiokafka"
HELD_SECONDS = 60.0
"""aiokafka repeats itself many times a second while a broker is away."""


class OneAMinute(logging.Filter):
    """Lets a line of `HELD` pass once in HELD_SECONDS, with the number of lines that were held back before.

    Lets no line of `REPEATED` pass, and no line of `ENDED` about a loop that is closed already.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: float | None = None
        self._held = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line may pass; every line of another logger may."""
        if record.name.partition(".")[0] != HELD:
            text = str(record.msg)
            return not (
                text.endswith(REPEATED)
                or (text.endswith(ENDED) and "Event loop is closed" in record.getMessage())
            )
        now = self._clock()
        if self._passed is not None and now - self._passed < HELD_SECONDS:
            self._held += 1
            return False
        if self._held:
            record.msg, record.args = f"{record.getMessage()} ({self._held} lines were held back before)", ()
        self._passed, self._held = now, 0
        return True


def configure_logging(form: Literal["console", "json"], level: str) -> None:
    """Send every logger's lines to stderr in `form`, from `level` on.

    The loggers of `NOISY` send lines from their own level on, except at the level debug. aiokafka sends a line a
    minute, except at the level debug.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if form == "json"
        # The renderer's own traceback would show local variables, and with them passwords.
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    if level != "debug":
        handler.addFilter(OneAMinute())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(capture=True)
    least = logging.getLevelNamesMapping()[level.upper()]
    for name, own in NOISY.items():
        logging.getLogger(name).setLevel(least if level == "debug" else max(own, least))
    silence_quoting_loggers()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def silence_quoting_loggers() -> None:
    """Keep the lines of `QUOTING` from every handler, also where `configure_logging` was not called."""
    for name, least in QUOTING.items():
        logging.getLogger(name).setLevel(least)
