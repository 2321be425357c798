"""A log of several programs: a line begins with the program's name."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable
from typing import Literal, TextIO

LONGEST = 1 << 20
"""Bytes after which a line without an end is taken for a line."""
_CHUNK = 1 << 16


async def read_lines(reader: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines of a program, also the last line without an end; bytes that are no text are replaced."""
    kept = b""
    while chunk := await reader.read(_CHUNK):
        *lines, kept = (kept + chunk).split(b"\n")
        if len(kept) > LONGEST:
            lines, kept = [*lines, kept], b""
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if kept:
        yield kept.decode("utf-8", "replace")


class CommonLog:
    """Writes the lines of programs to one stream.

    The form `console` has the name of the program before each line. The form `json` has a JSON object a line: an object
    of a program gets the key `program`, and any other line becomes the `event` of an object.
    """

    def __init__(self, stream: TextIO, form: Literal["console", "json"], names: Iterable[str]) -> None:
        self._stream = stream
        self._form = form
        self._width = max(map(len, names), default=0)

    def write(self, name: str, line: str) -> None:
        """Write a line of the program `name`. A stream that is gone takes no line, and stops no program."""
        with contextlib.suppress(OSError):
            if self._form == "console":
                self._stream.write(f"{name:{self._width}} | {line}\n")
            elif line.strip():
                self._stream.write(json.dumps({"program": name, **_object_of(line)}) + "\n")
            self._stream.flush()


def _object_of(line: str) -> dict[str, object]:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(line)
        if isinstance(found, dict):
            return found
    return {"event": line}
