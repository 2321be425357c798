"""Metrics for Prometheus: a registry for each program, and the answer to a scrape."""

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder


def process_registry() -> CollectorRegistry:
    """Return a registry with the metrics of the process."""
    # No start time beside every counter: process_start_time_seconds is enough.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left the function untyped
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposed(registry: CollectorRegistry, request: web.Request) -> web.Response:
    """Return the metrics in the client's form."""
    body, form = encoded(registry, request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": form})


def encoded(registry: CollectorRegistry, accepted: str) -> tuple[bytes, str]:
    """Return all metrics in a form that the header `Accept` has, and the name of the form."""
    encode, form = choose_encoder(accepted)
    return encode(registry), form
