"""The options that place the web site of a process: `--web-host` and `--web-port`, the same in every command."""

from typing import Annotated

import typer

WebHost = Annotated[
    str, typer.Option(help="Address of the process's web site; 0.0.0.0 shows the site to other machines.")
]
WebPort = Annotated[
    int,
    typer.Option(
        min=0,
        max=65535,
        help="Port of the process's web site (/metrics, /healthz); 0: a free one, see the log.",
    ),
]
