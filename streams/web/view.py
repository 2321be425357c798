"""The content of a pipeline's page, read in a snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from streams.web.charts import Trend, spark_of, trend_of
from streams.web.database import Reading
from streams.web.findings import differing_pairs
from streams.web.freshness import health_of
from streams.web.funnels import Place, find, read_funnel, window_kinds
from streams.web.history import History, read_history
from streams.web.lists import read_alerts, read_reconciliations
from streams.web.model import Funnel, Health, Pair, Point
from streams.web.place import Address
from streams.web.verdict import Verdict, is_too_few, verdict_of

_MOST_ALERTS = 100


@dataclass(frozen=True)
class Row:
    """A pair in the table. Widths are percentages of the greatest number of entries; `tick` is the rate before."""

    pair: Pair
    address: Address
    is_chosen: bool
    is_too_few: bool
    width: float
    converted_width: float
    tick: float | None
    spark: str


@dataclass(frozen=True)
class View:
    """The page of a pipeline. `trend` is of the chosen pair; its last point is the open window, if one is shown.

    `differing`: how many pairs differ from the canonical SQL, by the start of a closed window.
    """

    address: Address
    place: Place
    kinds: tuple[str, ...]
    funnel: Funnel
    health: Health
    verdict: Verdict
    rows: tuple[Row, ...]
    chosen: Pair | None
    trend: Trend
    history: History
    differing: Mapping[datetime, int]
    shows_deals: bool
    operates: bool

    @property
    def expected_until(self) -> datetime | None:
        """The instant up to which expectations are told, or None."""
        told = (row.pair.expected for row in self.rows)
        return next((each.until for each in told if each is not None and each.state == "known"), None)


async def read_view(
    read: Reading,
    address: Address,
    history: History | None = None,
    *,
    shows_deals: bool = False,
    operates: bool = False,
) -> View:
    """Return the page at `address`. `history`: the closed windows, if they are known to be unchanged.

    `shows_deals`: the numbers lead to the deals behind them. `operates`: doubts lead to their remedies.

    Raises UnknownError and MalformedError as `find` and `read_funnel` do.
    """
    place = await find(read, address.tenant, address.pipeline, address.window)
    funnel = await read_funnel(read, place, address.at, address.compare)
    history = history or await read_history(read, place)
    reconciliations = await read_reconciliations(read, None, 1)
    health = health_of(await read.row("pulse"), next(iter(reconciliations.items), None))
    alerts = await read_alerts(read, place.tenant_id, place.pipeline_id, _MOST_ALERTS)
    chosen = _chosen(funnel, address.pair)
    return View(
        address,
        place,
        tuple(await window_kinds(read)),
        funnel,
        health,
        verdict_of(
            funnel.pairs,
            [alert for alert in alerts.items if alert.window_name == address.window],
            await read.row("watch", place.window, place.tiling),
            is_loading=health.state in ("loading", "unknown"),
        ),
        tuple(_row(pair, address, funnel, history, is_chosen=pair is chosen) for pair in funnel.pairs),
        chosen,
        trend_of(_points(history, chosen, funnel), chosen.expected if chosen else None),
        history,
        await differing_pairs(read, place.tenant_id, place.pipeline_id, place.window),
        shows_deals,
        operates,
    )


def _chosen(funnel: Funnel, wanted: tuple[UUID, UUID] | None) -> Pair | None:
    for pair in funnel.pairs:
        if wanted == (pair.from_stage_id, pair.to_stage_id):
            return pair
    return funnel.pairs[0] if funnel.pairs else None


def _points(history: History, chosen: Pair | None, funnel: Funnel) -> list[Point]:
    if chosen is None:
        return []
    points = history.points((chosen.from_stage_id, chosen.to_stage_id))
    if funnel.window.state != "closed":
        points.append(Point(window=funnel.window, counts=chosen.counts))
    return points


def _row(pair: Pair, address: Address, funnel: Funnel, history: History, *, is_chosen: bool) -> Row:
    most = max((each.counts.entered for each in funnel.pairs), default=0) or 1
    counts = pair.counts
    before = pair.before
    return Row(
        pair,
        address.with_pair((pair.from_stage_id, pair.to_stage_id)),
        is_chosen,
        is_too_few(counts.entered, counts.converted),
        round(100 * counts.entered / most, 2),
        round(100 * counts.converted / most, 2),
        None
        if before is None or before.rate is None
        else round(100 * counts.entered * before.rate / most, 2),
        spark_of(history.rates((pair.from_stage_id, pair.to_stage_id))[-30:]),
    )
