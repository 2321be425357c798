"""The explanation of differences, as `funnelproof reconcile --explain` shows it."""

import asyncio

from rich.table import Table

from streams.cli.output import stderr, stdout
from streams.cli.progress import telling
from streams.explaining import ConcernedRow, Explanation, Finding, Witnesses, explain_differences
from streams.reconciliation import ReconcileResult
from streams.reconciliation.result import counts_told
from streams.settings import Settings
from streams.terminal.shapes import printable

_WITNESSES = ("source", "log", "partials", "facts")


def explained(settings: Settings, result: ReconcileResult, pairs: int) -> Explanation:
    """Explain the first `pairs` differences of a comparison, with a bar of progress."""
    with telling("reads records of the log") as tell:

        def show(read: int, expected: int) -> None:
            tell(done=read, total=expected)

        return asyncio.run(explain_differences(settings, result.differences, show, pairs=pairs))


def explanation_as_json(explanation: Explanation) -> dict[str, object]:
    """Return the explanation as `--json` prints it."""
    return {
        "explained_pairs": explanation.pairs,
        "equal_by_now": explanation.equal,
        "unsettled_pairs": explanation.unsettled,
        "left_out_pairs": explanation.left_out,
        "left_out_deals": explanation.further_deals,
        "findings": [_as_json(each) for each in explanation.findings],
    }


def print_explanation(explanation: Explanation) -> None:
    """Print a table of the findings, and what was left out."""
    if explanation.findings:
        table = Table(show_lines=True)
        table.add_column("fault", no_wrap=True)
        table.add_column("finding", overflow="fold")
        for each in explanation.findings:
            table.add_row(each.fault.value.replace("_", " "), _escaped(_told(each)))
        stdout.print(table)
    for number, told in (
        (explanation.equal, "pairs are equal by now"),
        (explanation.unsettled, "pairs still change, without a fault so far: compare again"),
        (explanation.left_out, "pairs were left out: raise --explain-limit, or narrow the comparison"),
        (explanation.further_deals, "deals that differ were not looked at: narrow the comparison"),
    ):
        if number:
            stderr.print(f"{number} {told}")


def _told(finding: Finding) -> str:
    """Return all but the fault in lines: the place, the deal, what was found, what each witness counts."""
    run = finding.run
    pair = f"{run.name_of(finding.from_stage_id)} -> {run.name_of(finding.to_stage_id)}"
    lines = [
        f"{run.window_name} {run.window_start.isoformat()}, {pair}",
        f"tenant {run.tenant_id}, pipeline {run.pipeline_id}",
        *([] if finding.deal_id is None else [f"deal {finding.deal_id}"]),
        finding.sentence,
        *(f"{name}: {counts_told(getattr(finding.witnesses, name))}" for name in _WITNESSES),
    ]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return "\n".join(printable(line) for line in text.splitlines()).replace("[", "\\[")


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "fault": finding.fault.value,
        "tenant_id": finding.tenant_id,
        "pipeline_id": finding.pipeline_id,
        "window": finding.window_name,
        "window_start": finding.window_start,
        "run_id": finding.run.run_id,
        "revision": finding.run.revision,
        "from_stage_id": finding.from_stage_id,
        "to_stage_id": finding.to_stage_id,
        **_witnesses(finding.witnesses),
        "deal_id": finding.deal_id,
        "rows": [_row(each) for each in finding.rows],
        "sentence": finding.sentence,
    }


def _witnesses(witnesses: Witnesses) -> dict[str, object]:
    return {
        name: counts and dict(zip(("entered", "converted"), counts, strict=True))
        for name in _WITNESSES
        for counts in (getattr(witnesses, name),)
    }


def _row(row: ConcernedRow) -> dict[str, object]:
    return {
        "row_id": row.row_id,
        "key": None if row.key is None else row.key.decode("utf-8", "replace"),
        "partition": row.partition,
        "belongs_to": row.belongs_to,
        "version": row.version,
        "in_source": row.in_source,
    }
