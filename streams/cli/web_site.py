"""The options that place the web site of a process: `--web-host` and `--web-port`, the same in every command."""

from typing import Annotated

import typer

_HOST = typer.Option(help="Address of the process's web site; 0.0.0.0 shows the site to other machines.")
_PORT = typer.Option(
    min=0,
    max=65535,
    help="Port of the process's web site (/metrics, /healthz); 0: a free one, see the log.",
)

WebHost = Annotated[str, _HOST]
WebPort = Annotated[int, _PORT]

# For a command that has a web site only with another option: None tells that the option was not given.
GivenWebHost = Annotated[str | None, _HOST]
GivenWebPort = Annotated[int | None, _PORT]
