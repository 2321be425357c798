"""Answers as JSON or CSV, with a strong ETag: a client that has the very bytes is told 304."""

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from streams.web.model import Page

CACHE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}
Cell = str | int | float | datetime | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def answer(request: Request, value: BaseModel) -> Response:
    """Return the value as JSON; 304 if the client has it already."""
    return tagged(request, value.model_dump_json().encode(), "application/json")


def table(
    request: Request,
    name: str,
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[str],
    next_: str | None,
) -> Response:
    """Return rows as CSV for a file `name`; 304 if the client has the rows. A `Link` header leads to the next page."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[column]) for column in columns] for row in rows)
    response = tagged(request, text.getvalue().encode(), "text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    if next_ is not None:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=next_)}>; rel="next"'
    return response


def listed(request: Request, name: str, page: Page[Any], item: type[BaseModel], form: str) -> Response:
    """Return a page of a list as JSON, or as CSV if `form` says so."""
    return with_table(request, name, page, page.items, item, form, page.next)


def with_table(
    request: Request,
    name: str,
    value: BaseModel,
    rows: Iterable[BaseModel],
    item: type[BaseModel],
    form: str,
    next_: str | None = None,
) -> Response:
    """Return the value as JSON, or its rows, which are each an `item`, as CSV if `form` says so."""
    if form == "csv":
        return table(request, name, (each.model_dump() for each in rows), tuple(item.model_fields), next_)
    return answer(request, value)


def tagged(request: Request, body: bytes, media_type: str) -> Response:
    """Return the bytes with their ETag, or 304 if the client has the bytes."""
    tag = f'"{hashlib.sha256(media_type.encode() + body).hexdigest()[:32]}"'
    headers = {**CACHE, "ETag": tag}
    sent = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    if tag in sent or f"W/{tag}" in sent or sent == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def _cell(value: object) -> Cell:
    """Return the value for a spreadsheet; text that a spreadsheet would run as a formula gets an apostrophe."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return "; ".join(map(str, value))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value if isinstance(value, str | int | float) or value is None else str(value)
