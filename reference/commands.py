"""The page of commands: every command with its options, as the command line itself knows them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin
from uuid import UUID

from typer.main import get_command

from reference.markdown import code, fenced, page, table
from streams.cli.main import app

_EXAMPLE = re.compile(r"Example: `([^`]+)`")
_FORMS = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH", UUID: "UUID"}
INTRODUCTION = """\
`--help` shows the same for every command. Results go to stdout, progress and logs to stderr. With `--json` stdout
is one JSON object. [Errors](errors.md) has the exit statuses."""


def commands_page() -> str:
    """Return the page."""
    sections = (section for name, command in commands() for section in _section(name, command))
    return page("Commands", INTRODUCTION, *sections)


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command by its full name, a group before its members."""
    yield from _within("funnelproof", get_command(app))


def _within(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - typer's click has no public types
    yield name, command
    for member, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from _within(f"{name} {member}", each)


def _section(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - see _within
    text = command.help or ""
    level = "##" if name.count(" ") <= 1 else "###"
    yield f"{level} {name}"
    yield from (paragraph for paragraph in _EXAMPLE.sub("", text).strip().split("\n\n") if paragraph)
    members = [each.name for each in getattr(command, "commands", {}).values() if not each.hidden]
    if members and name != "funnelproof":
        yield "Has " + ", ".join(f"[{each}](#{_anchor(f'{name} {each}')})" for each in members) + "."
    if examples := _EXAMPLE.findall(text):
        yield fenced("console", "\n".join(f"$ {example}" for example in examples))
    if rows := [_row(param) for param in command.params if not param.hidden]:
        yield table(("option", "default", "meaning"), rows)


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")


def _row(param: Any) -> tuple[str, str, str]:  # noqa: ANN401 - see _within
    annotation = param.type_descriptor.annotation
    if is_many := get_origin(annotation) is list:
        (annotation,) = get_args(annotation)
    form = "" if annotation is bool else f" {_FORMS.get(annotation, 'VALUE')}"
    name = "".join(param.opts) if param.param_type_name == "argument" else ", ".join(map(code, param.opts))
    name = code(name.upper()) if param.param_type_name == "argument" else name.removesuffix("`") + f"{form}`"
    default = "required" if param.required else _default(param.default)
    return name, default, (param.help or "") + (" Several are possible." if is_many else "")


def _default(default: object) -> str:
    if default is None or isinstance(default, bool):
        return ""
    return code(f"{default:g}" if isinstance(default, float) else default)
