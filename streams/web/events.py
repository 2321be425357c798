"""A deal as the workers count it: its rows with the changes behind them, and its first entries by window.

Any worker is asked; a worker that does not hold the deal's partition leads to the worker that does.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import aiohttp
from pydantic import ValidationError

from streams.web.deal_model import DealLog, DealRows

ASK_SECONDS = 5.0
"""The most seconds in which the workers answer; a worker waits up to two seconds for the others."""
_REDIRECTS = 2
_NO_URL = "the page knows no worker: set FUNNELPROOF_DASHBOARD_WORKER_URL"


async def with_log(url: str | None, deal: DealRows, names: Mapping[UUID, str | None]) -> DealRows:
    """Return the deal with what the worker at `url` tells of it, or with the reason why nothing is told.

    `names`: the names of the pipeline's stages.
    """
    if url is None:
        return deal.model_copy(update={"log_missing": _NO_URL})
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as client,
            client.get(f"{url.rstrip('/')}/deals/{deal.deal_id}", max_redirects=_REDIRECTS) as answer,
        ):
            told = await answer.json()
            if not answer.ok:
                return deal.model_copy(
                    update={"log_missing": f"no worker tells the deal now: {told['error']}"}
                )
            return deal.model_copy(update={"log": _own(told, deal, names)})
    except (aiohttp.ClientError, TimeoutError, ValidationError, ValueError, KeyError, TypeError) as error:
        reason = f"no answer from {url} ({type(error).__name__})"
        return deal.model_copy(update={"log_missing": reason})


def _own(told: Mapping[str, Any], deal: DealRows, names: Mapping[UUID, str | None]) -> DealLog:
    """Return what a worker tells of the tenant's pipeline; a row of another pipeline is not shown.

    A deleted row names no tenant, and is shown only where the deal has no row of another tenant.
    """
    tenant, pipeline = str(deal.tenant_id), str(deal.pipeline_id)
    is_foreign = any(row["tenant_id"] != tenant for row in told["rows"] if not row["deleted"])

    def named(entry: Mapping[str, Any]) -> dict[str, Any]:
        stage_id = entry.get("stage_id")
        return {**entry, "stage": None if stage_id is None else names.get(UUID(str(stage_id)))}

    return DealLog.model_validate(
        {
            "partition": told["partition"],
            "position": told["position"],
            "rows": [
                named(row)
                for row in told["rows"]
                if (not is_foreign if row["deleted"] else _place(row) == (tenant, pipeline))
            ],
            "first_entries": [
                {**each, "stages": [named(entry) for entry in each["stages"]]}
                for each in told["first_entries"]
                if _place(each) == (tenant, pipeline)
            ],
        }
    )


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["tenant_id"], row["pipeline_id"]
