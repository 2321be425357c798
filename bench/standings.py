"""The outcomes of one benchmark as a table and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.table import Table

from bench.race import Outcome


def best(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return one outcome of each contender, in the order of their first runs: the exact one that used the least CPU."""
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        known = found.get(outcome.contender)
        if known is None or _rank(outcome) < _rank(known):
            found[outcome.contender] = outcome
    return list(found.values())


def ratio(outcome: Outcome, ours: Outcome | None) -> float | None:
    """Return how many times our CPU per million events the contender needs; none where either is not known."""
    if ours is None or not ours.cpu_per_million or outcome.cpu_per_million is None:
        return None
    return outcome.cpu_per_million / ours.cpu_per_million


def as_json(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """Return each contender's best run, with what is derived from it, and the CPU of all its runs."""
    ours = _ours(outcomes)
    return [
        {
            **asdict(outcome),
            "events_per_second": outcome.events_per_second,
            "cpu_per_million": outcome.cpu_per_million,
            "cpu_ratio": ratio(outcome, ours),
            "runs": [
                {
                    "exact": run.exact,
                    "seconds_from_first": run.seconds_from_first,
                    "cpu_seconds": run.cpu_seconds,
                }
                for run in outcomes
                if run.contender == outcome.contender
            ],
        }
        for outcome in best(outcomes)
    ]


def table(outcomes: Sequence[Outcome], size: int) -> Table:
    """Return the table of each contender's best run; `size` is the whole work's number of events."""
    title = f"{size:,} events through Kafka to exact facts in Postgres"
    shown = Table(title=title, caption=_CAPTION, caption_justify="left")
    for heading in (
        "contender",
        "events",
        "events/s",
        "CPU s/million",
        "start-up",
        "to ours",
        "peak MiB",
    ):
        shown.add_column(heading, justify="left" if heading == "contender" else "right")
    for heading in ("exact", "after kill -9"):
        shown.add_column(heading)
    ours = _ours(outcomes)
    for outcome in best(outcomes):
        shown.add_row(
            outcome.contender,
            f"{outcome.events:,}",
            _number(outcome.events_per_second, ",.0f"),
            _number(outcome.cpu_per_million, ".1f"),
            _number(outcome.cpu_before_first, ".1f"),
            _number(ratio(outcome, ours), ".1f"),
            f"{outcome.peak_mib:,.0f}",
            _verdict(outcome),
            outcome.durable.partition(":")[0],
        )
    return shown


def legend(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a line for each contender: the mode it ran in, and what its documentation promises after kill -9."""
    return [
        f"{outcome.contender}: {outcome.mode}. Exact after kill -9: {outcome.durable}."
        for outcome in best(outcomes)
    ]


_CAPTION = (
    "events/s: from the first record to exact facts. CPU: user and system of the contender's processes, without "
    "broker and Postgres; start-up counted once, the rest scaled to a million events. "
    "Peak: resident memory. After kill -9: whether it stays exact, as documented; not tried here."
)


def rows_table(title: str, rows: Sequence[Mapping[str, object]], note: str) -> Table:
    """Return a table of what a measure found: a column for each key of the rows."""
    shown = Table(title=title, caption=note, caption_justify="left")
    for column, value in rows[0].items():
        shown.add_column(column, justify="left" if isinstance(value, str) else "right")
    for row in rows:
        shown.add_row(*(plain(value) for value in row.values()))
    return shown


def plain(value: object) -> str:
    """Return a figure as a table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return (
        f"{value:,.1f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def _ours(outcomes: Sequence[Outcome]) -> Outcome | None:
    return next((outcome for outcome in best(outcomes) if outcome.contender == "ours"), None)


def _rank(outcome: Outcome) -> tuple[bool, float]:
    return not outcome.exact, float("inf") if outcome.cpu_per_million is None else outcome.cpu_per_million


def _verdict(outcome: Outcome) -> str:
    if outcome.exact:
        return "yes"
    if outcome.trouble is not None:
        return "ended early"
    if outcome.reached >= 1:
        return f"no: {outcome.differing_rows:,} rows"
    return f"unfinished: {outcome.reached:.0%}"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
