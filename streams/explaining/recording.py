"""The findings in the report database, for the page and for people with SQL."""

from collections.abc import Collection, Sequence

from streams.explaining.finding import Finding
from streams.reconciliation.result import Key
from streams.resources import sql
from streams.store.database import Pool, columns


async def record(report: Pool, windows: Collection[Key], findings: Sequence[Finding]) -> None:
    """Write the findings in place of all unresolved findings of the explained windows."""
    numbers = range(len(findings))
    async with report.acquire() as connection, connection.transaction():
        await connection.execute(sql("queries/explaining/findings_lock"))
        await connection.execute(sql("queries/explaining/findings_replace"), *columns(set(windows)))
        if not findings:
            return
        rows = await connection.fetch(
            sql("queries/explaining/findings_add"),
            *columns(
                (
                    number,
                    *each.run.key,
                    each.run.window_end,
                    each.run.run_id,
                    each.run.revision,
                    each.from_stage_id,
                    each.to_stage_id,
                    each.fault.value,
                    each.deal_id,
                    *(each.witnesses.source or (None, None)),
                    *(each.witnesses.log or (None, None)),
                    *(each.witnesses.partials or (None, None)),
                    *(each.witnesses.facts or (None, None)),
                    each.sentence,
                )
                for number, each in zip(numbers, findings, strict=True)
            ),
        )
        ids = {row["place"]: row["finding_id"] for row in rows}
        concerned = [
            (
                ids[number],
                place,
                row.row_id,
                row.key,
                row.partition,
                row.belongs_to,
                row.version,
                row.in_source,
            )
            for number, each in zip(numbers, findings, strict=True)
            for place, row in enumerate(each.rows)
        ]
        if concerned:
            await connection.execute(sql("queries/explaining/finding_rows_add"), *columns(concerned))
