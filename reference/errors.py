"""The page of errors: every error that a command or the page tells a user, with its status."""

import importlib
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus

import streams
from reference.markdown import code, page, table
from streams.errors import FunnelproofError
from streams.web.errors import WebError

STATUSES = (
    ("0", "done"),
    (
        "1",
        "the answer is bad news: a difference, something unhealthy; the command's own text says what 1 means",
    ),
    ("2", "wrong use, or the command could not tell"),
    ("130", "interrupted by Ctrl-C"),
)
COMMANDS = """\
## Of commands

A command that fails writes one line to stderr: what is wrong, and what to do. `--debug` shows a traceback with the
line. The errors of servers and of libraries are told in the same form, with status 2."""
STATUS = "## Exit status\n\nOf every command:"
WEB = """\
## Of the page and its API

The API answers with `application/problem+json` (RFC 9457); `errors` names the parameter at fault. Browsers get a
page with the same text."""


def errors_page() -> str:
    """Return the page."""
    own = [each for each in errors() if not issubclass(each, WebError)]
    web = [each for each in errors() if issubclass(each, WebError)]
    return page(
        "Errors",
        STATUS,
        table(("status", "meaning"), ((code(status), meaning) for status, meaning in STATUSES)),
        COMMANDS,
        table(
            ("error", "status", "meaning"),
            ((_name(each), code(each.exit_status), _meaning(each)) for each in own),
        ),
        WEB,
        table(("error", "HTTP", "meaning"), ((_name(each), _http(each), _meaning(each)) for each in web)),
    )


def errors() -> list[type[FunnelproofError]]:
    """Return every class of errors that a user can meet, parents first."""
    for module in pkgutil.walk_packages(streams.__path__, "streams."):
        if module.name != "streams.__main__":
            importlib.import_module(module.name)
    return list(_with_children(FunnelproofError))


def _with_children(error: type[FunnelproofError]) -> Iterator[type[FunnelproofError]]:
    if error.__module__.startswith("streams."):  # tests may have errors of their own
        yield error
        for child in sorted(error.__subclasses__(), key=lambda each: each.__name__):
            yield from _with_children(child)


def _name(error: type[FunnelproofError]) -> str:
    return code(error.__name__)


def _meaning(error: type[FunnelproofError]) -> str:
    return " ".join((error.__doc__ or "").split())


def _http(error: type[WebError]) -> str:
    return f"{error.status} {HTTPStatus(error.status).phrase}"
