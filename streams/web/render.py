"""HTML from templates. Everything that is put in is escaped."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from streams.web import charts
from streams.web.assets import asset_url
from streams.web.lists import AlertBoard
from streams.web.operation_model import Operations
from streams.web.scope import Scope
from streams.web.view import View
from streams.web.words import FILTERS, stage

PARTS = ("freshness", "verdict", "proofs", "funnel", "trend", "ledger")
"""The parts of a pipeline's page that are pushed when they change; each is an element with the part's name as id."""

OPERATIONS = (
    "troubles", "workers", "partitions", "proof", "windows", "doubts", "comparisons", "findings", "alerts",
)  # fmt: skip
"""The parts of the page for engineers, besides the freshness."""


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("streams.web"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= FILTERS
    templates.globals |= {"asset": asset_url, "stage": stage, "charts": charts}
    return templates


def render(name: str, reader: Scope | None = None, **values: object) -> str:
    """Return the template `name` with values; only a `reader` who operates is shown the way to operations."""
    operates = reader is not None and reader.operates
    return _templates().get_template(f"{name}.html").render(operates=operates, **values)


def render_page(view: View, reader: Scope) -> str:
    """Return the whole page of a pipeline."""
    return render("pipeline", reader, view=view, parts=PARTS)


def render_operations_page(found: Operations, reader: Scope) -> str:
    """Return the whole page for engineers."""
    return render("operations", reader, found=found, parts=OPERATIONS)


def render_operations(found: Operations) -> dict[str, str]:
    """Return the inner HTML of every part of the page for engineers, by name."""
    freshness = render_freshness(found.health.state, found.health.message)
    return {"freshness": freshness} | {name: render(f"operations/{name}", found=found) for name in OPERATIONS}


def render_alerts_page(board: AlertBoard, reader: Scope, *, is_live: bool) -> str:
    """Return the whole page of alerts. `is_live`: the page has the newest transitions, and is pushed."""
    return render("alerts", reader, board=board, is_live=is_live)


def render_alerts(board: AlertBoard) -> dict[str, str]:
    """Return the inner HTML of every part of the page of alerts, by name."""
    freshness = render_freshness(board.health.state, board.health.message)
    return {"freshness": freshness, "alerts": render("parts/alerts", board=board)}


def render_parts(view: View) -> dict[str, str]:
    """Return the inner HTML of every part, by name."""
    return {name: render(f"parts/{name}", view=view) for name in PARTS}


def render_freshness(state: str, message: str) -> str:
    """Return the inner HTML of the part `freshness`."""
    return render("parts/mark", state=state, message=message)
