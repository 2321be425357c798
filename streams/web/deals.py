"""The deals behind a number: which number, which deals, and why the two differ where they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from streams.web.cursor import decode_cursor, encode_cursor
from streams.web.database import Reading
from streams.web.deal_model import Deal, DealRow, DealRows, Deals
from streams.web.errors import UnknownError
from streams.web.funnels import Place, closed_windows, count, window_at
from streams.web.lists import read_run
from streams.web.model import Pair, Times, Window
from streams.web.source import SourceReading

Which = Literal["entered", "converted", "not_converted"]
_CONVERTED = {"entered": None, "converted": True, "not_converted": False}
_FIRST = (datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))
_MOST_ROWS = 1000


@dataclass(frozen=True)
class Number:
    """A number of the page: the counts of a pair in a window. `run_id` and `revision` are null in an open window.

    `latest` is the window as its latest revision has it.
    """

    place: Place
    latest: Window
    run_id: UUID | None
    revision: int | None
    reasons: tuple[str, ...]
    pair: Pair

    def counted(self, which: Which) -> int:
        """Return the number."""
        counts = self.pair.counts
        match which:
            case "entered":
                return counts.entered
            case "converted":
                return counts.converted
            case "not_converted":
                return counts.entered - counts.converted


async def find_number(
    read: Reading, place: Place, at: datetime | None, run_id: UUID | None, stages: tuple[UUID, UUID]
) -> Number:
    """Return the number of a run, or of the window that holds an instant; without both of the newest window.

    Raises UnknownError where the pipeline has no such run, window or pair.
    """
    if run_id is not None:
        run = await read_run(read, run_id)
        if (run.tenant_id, run.pipeline_id, run.window) != (place.tenant_id, place.pipeline_id, place.window):
            raise UnknownError("there is no such run")
        (latest,) = await closed_windows(read, place, run.start + datetime.resolution, 1)
        return Number(place, latest, run_id, run.revision, run.reasons, _pair(run.pairs, stages))
    window = await window_at(read, place, at)
    pairs = await count(read, place, window)
    return Number(place, window, window.run_id, window.revision, window.reasons, _pair(pairs, stages))


def _pair(pairs: Sequence[Pair], stages: tuple[UUID, UUID]) -> Pair:
    for pair in pairs:
        if (pair.from_stage_id, pair.to_stage_id) == stages:
            return pair
    raise UnknownError("the window has no such pair of stages")


async def read_deals(
    source: SourceReading, number: Number, which: Which, cursor: str | None, most: int
) -> Deals:
    """Return a page of the deals behind a number. Raises MalformedError for a cursor of another list."""
    after = decode_cursor(cursor, tuple[datetime, UUID]) if cursor else _FIRST
    place, pair, window = number.place, number.pair, number.latest
    found_rows = await source.canonical.rows(
        "stage_conversion_deals", place.tenant_id, place.pipeline_id, window.start, window.end, pair.from_stage_id,
        pair.to_stage_id, _CONVERTED[which], *after, most + 1,
    )  # fmt: skip
    total, rows = found_rows[0], [row for row in found_rows if row["deal_id"] is not None]
    entered, converted = total["entered_count"], total["converted_count"]
    found = {"entered": entered, "converted": converted, "not_converted": entered - converted}[which]
    counted = number.counted(which)
    shown = [_deal(row) for row in rows[:most]]
    return Deals(
        items=tuple(shown),
        next=encode_cursor(shown[-1].entered_at, shown[-1].deal_id) if len(rows) > most else None,
        window=window,
        run_id=number.run_id,
        revision=number.revision,
        from_stage_id=pair.from_stage_id,
        from_stage=pair.from_stage,
        to_stage_id=pair.to_stage_id,
        to_stage=pair.to_stage,
        which=which,
        counted=counted,
        found=found,
        is_equal=counted == found,
        reasons=() if counted == found else _why(source, number),
        time_to_convert=_times(total["quartiles"]),
    )


def _deal(row: dict[str, Any]) -> Deal:
    entered, converted = row["entered_at"], row["converted_at"]
    seconds = None if converted is None else (converted - entered).total_seconds()
    return Deal(deal_id=row["deal_id"], entered_at=entered, converted_at=converted, seconds=seconds)


def _times(quartiles: list[float] | None) -> Times | None:
    if quartiles is None:
        return None
    low, median, high = quartiles
    return Times(low=low, median=median, high=high, is_exact=True)


def _why(source: SourceReading, number: Number) -> tuple[str, ...]:
    """Return what can make a number differ from the CRM's rows, as far as it holds here."""
    latest = number.latest
    reasons = []
    if source.is_replica:
        reasons.append("the deals come from a replica, which may be behind the CRM")
    if latest.state != "closed":
        reasons.append("the window is not closed: the CRM has written since the last flush")
        return tuple(reasons)
    if number.revision != latest.revision:
        reasons.append(
            f"the number is that of revision {number.revision}, and later corrections made revision {latest.revision}"
        )
    reasons += [f"the result is an estimate: {reason}" for reason in number.reasons]
    if not number.reasons and number.revision == latest.revision:
        reasons.append(
            f"the CRM has changed entries of the window since the result{_of(latest.published_at)}: a correction "
            "becomes a revision within seconds; if the numbers stay different, run `funnelproof reconcile`"
        )
    return tuple(reasons)


def _of(instant: datetime | None) -> str:
    return "" if instant is None else f" of {instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


async def stage_names(read: Reading, place: Place) -> Mapping[UUID, str | None]:
    """Return the names of a pipeline's stages."""
    rows = await read.rows("stages", place.tenant_id, place.pipeline_id)
    return {row["stage_id"]: row["name"] for row in rows}


async def read_deal(
    source: SourceReading, place: Place, window: Window, deal_id: UUID, names: Mapping[UUID, str | None]
) -> DealRows:
    """Return the rows of a deal in a pipeline. Raises UnknownError where the pipeline has no row of the deal."""
    rows = await source.queries.rows("deal_rows", place.tenant_id, place.pipeline_id, deal_id, _MOST_ROWS)
    if not rows:
        raise UnknownError("the pipeline has no such deal")
    seen: set[UUID] = set()
    items = []
    for row in rows:
        inside = window.start <= row["entered_at"] < window.end
        items.append(
            DealRow(
                row_id=row["row_id"],
                stage_id=row["stage_id"],
                stage=names.get(row["stage_id"]),
                entered_at=row["entered_at"],
                is_first=inside and row["stage_id"] not in seen,
            )
        )
        seen |= {row["stage_id"]} if inside else set()
    return DealRows(
        deal_id=deal_id,
        tenant_id=place.tenant_id,
        pipeline_id=place.pipeline_id,
        window=window,
        rows=tuple(items),
    )
