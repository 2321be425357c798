"""A worker whose clock is wrong by hours decides nothing by it: nothing but these two places reads a wall clock."""

import ast
from collections.abc import Iterator
from pathlib import Path

STREAMS = Path(__file__).parents[3] / "streams"
WALL_CLOCKS = {
    *("time", "time_ns", "localtime", "gmtime", "ctime", "clock_gettime"),  # of the module time
    *("now", "utcnow", "today", "fromtimestamp"),  # of datetime and date
}
READERS = {
    "alerts/service.py: datetime.now",  # until when Alertmanager believes an alert, and when a receiver is tried again
    "cli/alert_simulation.py: datetime.now",  # up to when a command looks, where nobody says
    "cli/alert_trial.py: datetime.now",
    "cli/alerts.py: datetime.now",
    "engine/consumer.py: time.time",  # when a batch was fetched, which Faust's messages carry and nothing looks at
    "operations/reconcile_metrics.py: time.time",  # when the last round was, for a metric
    "operations/watch.py: time.time",  # the age of a checkpoint's file, for a metric
}


def wall_clocks(source: str) -> Iterator[str]:
    """Name what a module calls, or imports by name, of the wall clock."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in WALL_CLOCKS and isinstance(node.value, ast.Name):
            if node.value.id in {"time", "datetime", "date"}:
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (f"from time import {name.name}" for name in node.names if name.name in WALL_CLOCKS)


def test_a_wall_clock_is_found_however_it_is_read() -> None:
    source = (
        "import time\nfrom time import time_ns\ntime.time()\ndatetime.now(UTC)\ntime.monotonic()\nself.now()"
    )
    assert set(wall_clocks(source)) == {"time.time", "datetime.now", "from time import time_ns"}


def test_no_decision_knows_a_workers_clock() -> None:
    found = {
        f"{path.relative_to(STREAMS)}: {read}"
        for path in STREAMS.rglob("*.py")
        for read in wall_clocks(path.read_text("utf-8"))
    }
    assert found == READERS
