"""The table of settings in docs/settings.md: name, form, default and meaning, as the model of the settings has them."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from reference.markdown import code, codes, table
from streams.settings import PREFIX, Settings

HEAD = ("setting", "form", "default", "meaning")
_TABLE = re.compile(r"^\| setting \|.*\n(?:\|.*\n)+", re.MULTILINE)
_FORMS: Mapping[Any, str] = {
    str: "text",
    int: "number",
    Path: "path",
    SecretStr: "secret",
    timedelta: "length of time",
    tuple: "list",
    dict: "table",
    Mapping: "table",
}


def settings_page(present: str) -> str:
    """Return the page with the table of now; everything around the table stays. Raises ValueError without a table."""
    page, count = _TABLE.subn(lambda _: settings_table() + "\n", present)
    if count != 1:
        raise ValueError(
            "docs/settings.md needs one table of settings: a head that begins with `| setting |`"
        )
    return page


def settings_table() -> str:
    """Return a row for every setting."""
    rows = (
        (code(PREFIX + name.upper()), _form(field), _default(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    )
    return table(HEAD, rows)


def _form(field: FieldInfo) -> str:
    form = _form_of(field.annotation)
    least, most = (
        next((getattr(each, bound) for each in field.metadata if hasattr(each, bound)), None)
        for bound in ("ge", "le")
    )
    return form if least is None else f"{form}, {least} to {most}"


def _form_of(annotation: Any) -> str:  # noqa: ANN401 - any annotation of a field
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _form_of(arguments[0])
    if origin in (Union, UnionType):
        return _form_of(next(each for each in arguments if each is not NoneType))
    if origin is Literal:
        return codes(arguments)
    return _FORMS[origin or annotation]


def _default(default: object) -> str:
    """Write a default the way a user would set it."""
    if isinstance(default, timedelta):
        return code(_length(default))
    if isinstance(default, tuple):
        return code(",".join(default))
    return "" if default in (None, {}) else code(default)


def _length(time: timedelta) -> str:
    """Write a length of time in the largest unit that divides it, minutes from 5 on: 90s, 60s, 5m, 90d."""
    milliseconds = time // timedelta(milliseconds=1)
    units: Iterable[tuple[str, int]] = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000))
    for unit, size in units:
        if milliseconds and milliseconds % size == 0 and (unit != "m" or milliseconds >= 5 * size):
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
