"""The request for a report, checked before any reading or writing."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from streams.errors import ReportError

_SHAPE = 'stage_pairs is a list of {"from_stage_id": uuid, "to_stage_id": uuid}'


@dataclass(frozen=True)
class StagePair:
    """A pair of stages: a deal converts if its first entry to the second stage is later than to the first."""

    from_stage_id: UUID
    to_stage_id: UUID


@dataclass(frozen=True)
class Request:
    """A report's arguments: a tenant's pipeline in `[period_start, period_end)`.

    No `stage_pairs` means each stage and the next.
    """

    tenant_id: UUID
    pipeline_id: UUID
    period_start: datetime
    period_end: datetime
    stage_pairs: tuple[StagePair, ...] = ()

    @property
    def plain_pairs(self) -> list[dict[str, str]] | None:
        """The pairs as plain data; None without pairs."""
        return [
            {"from_stage_id": str(pair.from_stage_id), "to_stage_id": str(pair.to_stage_id)}
            for pair in self.stage_pairs
        ] or None

    @property
    def pairs_json(self) -> str | None:
        """The pairs as JSON text for the canonical SQL; None lets the SQL derive the pairs."""
        return json.dumps(self.plain_pairs) if self.stage_pairs else None

    def check_stages(self, stages: Collection[UUID]) -> None:
        """Raise ReportError if the pairs name stages outside of `stages`, the pipeline's stages."""
        named = dict.fromkeys(stage for pair in self.stage_pairs for stage in _ends(pair))
        strange = [str(stage) for stage in named if stage not in stages]
        if strange:
            raise ReportError(
                f"stage_pairs name stages that the pipeline does not have: {', '.join(strange)}"
            )


def make_request(
    tenant_id: object,
    pipeline_id: object,
    period_start: object,
    period_end: object,
    stage_pairs: object = None,
) -> Request:
    """Return the checked arguments of a report. Raises ReportError for the first wrong argument.

    An identifier is a UUID or a UUID's text. An instant is an aware datetime. A pair that is given twice counts
    once. A pair may repeat the report's `pipeline_id`.
    """
    tenant, pipeline = _uuid(tenant_id, "tenant_id"), _uuid(pipeline_id, "pipeline_id")
    start, end = _instant(period_start, "period_start"), _instant(period_end, "period_end")
    if end <= start:
        raise ReportError(f"the period is empty: it must end after its start, {start}, not at {end}")
    return Request(tenant, pipeline, start, end, _pairs(stage_pairs, pipeline))


def _pairs(given: object, pipeline_id: UUID) -> tuple[StagePair, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise ReportError(f"{_SHAPE}, not {_shown(given)}")
    return tuple(dict.fromkeys(_pair(item, pipeline_id) for item in given))


def _pair(item: object, pipeline_id: UUID) -> StagePair:
    if not isinstance(item, Mapping) or item.keys() - {"pipeline_id"} != {"from_stage_id", "to_stage_id"}:
        raise ReportError(f"{_SHAPE}; {_shown(item)} is no such object")
    if "pipeline_id" in item and _uuid(item["pipeline_id"], "pipeline_id") != pipeline_id:
        raise ReportError(f"{_shown(item)} is a pair of another pipeline: this report is of {pipeline_id}")
    return StagePair(*(_uuid(item[name], name) for name in ("from_stage_id", "to_stage_id")))


def _ends(pair: StagePair) -> tuple[UUID, UUID]:
    return pair.from_stage_id, pair.to_stage_id


def _uuid(value: object, name: str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)  # type: ignore[arg-type]  # UUID raises for other types
    except (ValueError, TypeError, AttributeError):
        raise ReportError(f"{name} is a UUID, not {_shown(value)}") from None


def _instant(value: object, name: str) -> datetime:
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ReportError(f"{name} is a datetime with a timezone, not {_shown(value)}")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ReportError(f"{name} is outside the years 1 to 9999 in UTC: {_shown(value)}") from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
