"""The commands' output: results on stdout (tables, or one JSON object), everything else on stderr."""

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from streams.errors import PreconditionError

stdout = Console()
stderr = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def ask(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask on stderr, unless `yes`. Raises typer.Abort for a no.

    Raises PreconditionError without a terminal: nobody is there to be asked. `otherwise` is the way without a question.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise PreconditionError(f"nobody is there to be asked: {otherwise}")
    stderr.print(f"{question} [y/N] ", end="", markup=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise typer.Abort


def print_json(result: Mapping[str, object]) -> None:
    """Print `result` as a JSON object; instants as ISO 8601, identifiers and paths as text."""
    print(json.dumps(result, default=_plain, indent=2))  # noqa: T201 - rich would wrap and colour the JSON


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
