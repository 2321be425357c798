"""Signing in: a token is exchanged for a cookie that no script can read."""

from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from streams.web.errors import MalformedError, UnknownError
from streams.web.gate import COOKIE, StrangerError, TokenGate

router = APIRouter(include_in_schema=False)
log = structlog.get_logger(__name__)

DAYS = 30
_MOST_BYTES = 4096


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Take a token, set the cookie, and lead to the page that was asked for."""
    gate = request.app.state.gate
    if not isinstance(gate, TokenGate):
        raise UnknownError("nobody signs in here")
    form = await _form(request)
    peer = request.client.host if request.client else "unknown"
    try:
        reader = await gate.reader_of(request.app.state.database, form.get("token", "").strip())
    except StrangerError:
        log.warning("sign-in refused", peer=peer)
        raise
    log.info("signed in", reader=reader.name, peer=peer)
    answer = RedirectResponse(_own_path(form.get("next", "/")), 303)
    answer.set_cookie(
        COOKIE,
        form["token"].strip(),
        max_age=DAYS * 86_400,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https",
    )
    return answer


@router.post("/sign-out")
async def sign_out() -> Response:
    """Delete the cookie."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a form of this site. Raises MalformedError."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise MalformedError("the form comes from another site")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise MalformedError("the form is too long")
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _own_path(path: str) -> str:
    """Return the path if it leads to a page of this site, else the first page."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
