"""Addresses of the dashboard's pages."""

from urllib.parse import urlencode

from streams.alerts.transition import Transition


def link_to(dashboard: str | None, transition: Transition) -> str | None:
    """Return the address of the page that shows the alert's window; None without a dashboard.

    `dashboard` is the dashboard's address, for example `https://funnels.example`.
    """
    if dashboard is None:
        return None
    if transition.pipeline_id is None:
        return f"{dashboard}/operations"
    start = transition.window_start
    query = {
        "tenant": transition.tenant_id,
        "pipeline": transition.pipeline_id,
        "window": transition.window_name,
        "at": None if start is None else start.isoformat(),
    }
    return f"{dashboard}/?{urlencode({key: value for key, value in query.items() if value is not None})}"
