"""Real traffic as a CRM has it: loan applications are deals of one pipeline, in the tables of `funnelproof local`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

import asyncpg

from bench.alerts.applications import PAIRS, TIMEZONE
from streams.domain.windows import from_microseconds

_APPLICATIONS = UUID("c1f0a6d2-0d7e-5b0a-8d55-0b1d1b2f3e44")
TENANT, PIPELINE = (uuid5(_APPLICATIONS, name) for name in ("tenant", "pipeline"))

Entry = tuple[UUID, UUID, UUID, UUID, UUID, datetime]


async def load(dsn: str, deals: Mapping[str, Sequence[tuple[str, int]]]) -> Mapping[str, str]:
    """Write the deals, and return the settings with which funnelproof follows the deals in days, by PAIRS."""
    stages = sorted({stage for entries in deals.values() for stage, _ in entries})
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.copy_records_to_table(
                "pipeline_stage",
                schema_name="dyno_crm",
                columns=("id", "tenant_id", "pipeline_id", "name", "display_order"),
                records=[
                    (_stage(name), TENANT, PIPELINE, name, place) for place, name in enumerate(stages, 1)
                ],
            )
            await connection.copy_records_to_table(
                "deal_pipeline_stage_state",
                schema_name="dyno_crm",
                columns=("id", "tenant_id", "deal_id", "pipeline_id", "pipeline_stage_id", "entered_at"),
                records=_entries(deals),
            )
    finally:
        await connection.close()
    return settings(dsn)


def settings(dsn: str) -> Mapping[str, str]:
    """Return the settings of the applications."""
    pairs = [[str(_stage(first)), str(_stage(second))] for first, second in PAIRS]
    return {
        "FUNNELPROOF_SOURCE_DSN": dsn,
        "FUNNELPROOF_WINDOWS": "day",
        "FUNNELPROOF_TIMEZONE": TIMEZONE,
        "FUNNELPROOF_STAGE_PAIRS": json.dumps({f"{TENANT}/{PIPELINE}": pairs}),
    }


def _stage(name: str) -> UUID:
    return uuid5(_APPLICATIONS, f"stage {name}")


def _entries(deals: Mapping[str, Sequence[tuple[str, int]]]) -> list[Entry]:
    return [
        (
            uuid5(_APPLICATIONS, f"{deal} {number}"),
            TENANT,
            uuid5(_APPLICATIONS, f"deal {deal}"),
            PIPELINE,
            _stage(stage),
            from_microseconds(at),
        )
        for deal, entries in deals.items()
        for number, (stage, at) in enumerate(entries)
    ]
