"""Rows of the CRM, as people's deals would have left them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from tests.integration.web.desk import Desk, name

Row = tuple[UUID, UUID, UUID, UUID, datetime]
"""Tenant, deal, pipeline, stage, and the instant of the entry."""


async def write_rows(desk: Desk, rows: Sequence[Row]) -> None:
    """Write rows of the stage table."""
    await desk.connection.executemany(
        """insert into dyno_crm.deal_pipeline_stage_state
        (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
        values (gen_random_uuid(), $1, $2, $3, $4, $5)""",
        rows,
    )


async def write_deals(
    desk: Desk,
    tenant: UUID,
    pipeline: UUID,
    start: datetime,
    entered: int,
    converted: int,
    after: float = 3600,
) -> None:
    """Write deals that enter the first stage a second after each other, of which the first ones convert later."""
    rows: list[Row] = []
    for number in range(entered):
        at, deal = start + timedelta(seconds=number), name(pipeline, start, "deal", number)
        rows.append((tenant, deal, pipeline, name(pipeline, 0), at))
        if number < converted:
            rows.append((tenant, deal, pipeline, name(pipeline, 1), at + timedelta(seconds=after)))
    await write_rows(desk, rows)
