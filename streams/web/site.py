"""The site: API and page on one FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from streams.settings import Settings
from streams.web import api, deal_routes, finding_routes, operation_routes, pages, signing
from streams.web.database import open_database
from streams.web.feed import Feed
from streams.web.gate import Gate, OpenGate
from streams.web.headers import PageCompression, SecurityHeaders
from streams.web.model import Problem
from streams.web.observed import CountedAnswers, Observer, Unobserved
from streams.web.problems import add_handlers
from streams.web.source import open_source


def create_site(settings: Settings, gate: Gate | None = None, observer: Observer | None = None) -> FastAPI:
    """Return the application. Nothing connects before the application starts."""
    observer = observer or Unobserved()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_database(settings, observer) as database,
            open_source(settings, observer) as source,
        ):
            app.state.database, app.state.feed, app.state.source = database, Feed(database), source
            app.state.worker_url, app.state.grace = settings.dashboard_worker_url, settings.grace
            yield

    routers = (api, deal_routes, finding_routes, operation_routes, pages, signing)
    app = FastAPI(
        title="funnelproof",
        version=version("funnelproof"),
        summary="Funnel conversion counts, live and proven",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page loads scripts from another site
        redoc_url=None,
        lifespan=lifespan,
        # `include_router` would build each route a second time, at the first request: 65 ms.
        routes=[route for each in routers for route in each.router.routes],
    )
    app.state.gate = gate or OpenGate()
    add_handlers(app)
    app.add_middleware(PageCompression, minimum_size=500)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(CountedAnswers, observer=observer)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Have OpenAPI say what the site answers to malformed parameters: a problem with 400, no 422."""
    describe = app.openapi

    def described() -> dict[str, Any]:
        document = describe()
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**problem.pop("$defs"), "Problem": problem}
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        return document

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way
