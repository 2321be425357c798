"""The page of metrics: read from the calls that make them, with the comments above the calls."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference.markdown import code, codes, first_paragraph, page, table

STREAMS = Path(__file__).parent.parent / "streams"
KINDS = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram", "Summary": "summary"}
_SUBJECT = re.compile(r"Every metric of (an? [\w ]+|the [\w ]+)")
INTRODUCTION = """\
The programs answer Prometheus at `/metrics`. [Metrics](../operations.md#metrics) says how to react to each metric;
rules for Prometheus are in `deploy/prometheus/`. A histogram is exposed as `_bucket`, `_sum` and `_count`. Beside
these metrics there are those of the process and of Python (`process_*`, `python_*`)."""


@dataclass(frozen=True)
class Described:
    """A metric as the code makes it; `note` is the comment above."""

    name: str
    kind: str
    labels: Sequence[str]
    meaning: str
    note: str


def metrics_page() -> str:
    """Return the page."""
    parts: list[str] = []
    for path in sorted(STREAMS.rglob("*.py")):
        text = path.read_text("utf-8")
        if "prometheus_client" in text and (found := list(described(text))):
            subject = first_paragraph(ast.get_docstring(ast.parse(text)))
            match = _SUBJECT.match(subject)
            parts += [f"## Metrics of {match[1]}" if match else f"## {subject.rstrip('.')}", _table(found)]
    return page("Metrics", INTRODUCTION, *parts)


def _table(metrics: Sequence[Described]) -> str:
    rows = (
        (code(each.name), each.kind, codes(each.labels), f"{each.meaning} {each.note}".strip())
        for each in metrics
    )
    return table(("metric", "kind", "labels", "meaning"), rows)


def described(text: str) -> Iterator[Described]:
    """Yield the metrics that a module makes, in order."""
    tree, lines = ast.parse(text), text.splitlines()
    statements = [each for each in ast.walk(tree) if isinstance(each, ast.Assign | ast.Expr)]
    kinds = _imported_kinds(tree)
    for statement in sorted(statements, key=lambda each: each.lineno):
        for call in ast.walk(statement):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in kinds:
                yield _described(call, kinds[call.func.id], _comment_above(lines, statement.lineno))


def _imported_kinds(tree: ast.Module) -> Mapping[str, str]:
    """Return the kinds of metrics that the module imports from Prometheus' client, by the names of their classes."""
    return {
        name.name: KINDS[kind]
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("prometheus_client")
        for name in statement.names
        if (kind := name.name.removesuffix("MetricFamily")) in KINDS
    }


def _described(call: ast.Call, kind: str, note: str) -> Described:
    name, meaning, *others = call.args
    labels = next((each.value for each in call.keywords if each.arg in ("labels", "labelnames")), None)
    if labels is None:
        labels = next((each for each in others if isinstance(each, ast.List | ast.Tuple)), None)
    text = ast.literal_eval(name)
    return Described(
        text if kind != "counter" or text.endswith("_total") else f"{text}_total",
        kind,
        [] if labels is None else ast.literal_eval(labels),
        ast.literal_eval(meaning),
        note,
    )


def _comment_above(lines: Sequence[str], number: int) -> str:
    """Return the comment that ends in the line before line `number`, which is counted from 1."""
    comment: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.strip().startswith("#"):
            break
        comment.insert(0, line.strip().removeprefix("#").strip())
    return " ".join(comment)
