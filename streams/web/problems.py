"""Errors: `application/problem+json` (RFC 9457) from the API, a page from everything else."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from streams.web.errors import SilentDatabaseError, WebError
from streams.web.model import FieldProblem, Problem
from streams.web.render import render

log = structlog.get_logger(__name__)

PROBLEM = "application/problem+json"
RETRY_SECONDS = 5

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, description in (
        (400, "A parameter is malformed; `errors` names the parameter."),
        (401, "No token, or one that is unknown, expired or revoked."),
        (403, "The page is not known under the name in the header Host."),
        (404, "There is no such thing for this reader."),
        (503, "The report database does not answer, or not in time."),
    )
}
"""The errors of every operation, for OpenAPI."""


API = "/api/"


def problem(request: Request, status: int, detail: str, errors: Sequence[FieldProblem] = ()) -> Response:
    """Return an error as an answer to the request."""
    title = HTTPStatus(status).phrase
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="funnelproof"'
    if (
        status == HTTPStatus.UNAUTHORIZED
        and request.app.state.gate.has_sign_in
        and not _is_of_program(request)
    ):
        return HTMLResponse(render("sign_in", next=_asked(request)), status, headers)
    if not request.url.path.startswith(API):
        return HTMLResponse(render("failed", status=status, title=title, detail=detail), status, headers)
    body = Problem(title=title, status=status, detail=detail, errors=tuple(errors))
    return Response(body.model_dump_json(), status, headers, PROBLEM)


def _is_of_program(request: Request) -> bool:
    return request.url.path.startswith((API, "/live"))


def _asked(request: Request) -> str:
    """Return the page that was asked for, to be shown after the sign-in."""
    if request.url.path.startswith("/sign-"):
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def of_web_error(request: Request, error: WebError) -> Response:
    """Return the answer to a request that failed with `error`."""
    if isinstance(error, SilentDatabaseError):
        log.warning("request not answered", error=str(error))
    if error.field is None:
        return problem(request, error.status, str(error))
    named = FieldProblem(field=error.field, message=str(error))
    return problem(request, error.status, f"the parameter {error.field} {error}", [named])


def of_validation(request: Request, error: RequestValidationError) -> Response:
    """Return the answer to a request with malformed parameters. The values themselves are not repeated."""
    errors = [
        FieldProblem(field=".".join(str(part) for part in each["loc"][1:]) or "request", message=each["msg"])
        for each in error.errors()
    ]
    return problem(request, 400, f"malformed: {', '.join(each.field for each in errors)}", errors)


def add_handlers(app: FastAPI) -> None:
    """Have every error of `app` answered as a problem."""

    async def web_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, WebError)  # noqa: S101 - registered for this type
        return of_web_error(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
        return of_validation(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
        answer = problem(request, error.status_code, error.detail)
        answer.headers.update(error.headers or {})
        return answer

    app.add_exception_handler(WebError, web_error)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
