"""What the page says of drops, beside a real evaluator on real counts: the verdict and the range are the detector's."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from streams.alerts.evaluation.numbers import accounts
from streams.alerts.evaluation.open_window import OpenWindow
from streams.alerts.evaluation.watch import Watch
from streams.domain.detection.profile import bucket_end
from streams.domain.windows import from_microseconds
from streams.settings import Settings
from streams.web.database import Database, open_database
from streams.web.model import Expected
from streams.web.place import Address
from streams.web.scope import EVERYTHING
from streams.web.view import View, read_view
from tests.integration.alerts.test_evaluator import CALM, RULES, Site, site
from tests.integration.closing.conftest import SALES, START, Desk

__all__ = ["site"]
ADDRESS = Address(UUID(SALES.tenant_id), UUID(SALES.pipeline_id), "1m")


@dataclass
class Reader:
    """An evaluator whose every look is followed by a look at the page, and by a comparison of the two."""

    evaluator: Any
    desk: Desk
    database: Database
    views: list[View] = field(default_factory=list)
    known: int = 0

    @property
    def _term(self) -> Any:  # noqa: ANN401 - the site closes the term
        return self.evaluator._term

    async def look(self) -> None:
        await self.evaluator.look()
        async with self.database.reading(EVERYTHING) as read:
            view = await read_view(read, ADDRESS)
        self.views.append(view)
        watch = next((watch for _, watch in self.evaluator._watches.values()), None)
        if isinstance(watch, Watch):
            await self._compare(view, watch)

    async def _compare(self, view: View, watch: Watch) -> None:
        state, streams = watch.detector.state, watch.streams.streams
        firing = {
            (UUID(s.from_stage), UUID(s.to_stage)) for row, s in enumerate(streams) if state.firing[row]
        }
        assert (view.verdict.kind == "dropping") == bool(firing)
        assert {(each.from_stage_id, each.to_stage_id) for each in view.verdict.alerts} == firing
        told = {(row.pair.from_stage_id, row.pair.to_stage_id): row.pair.expected for row in view.rows}
        if (
            self.evaluator.held
            or state.open is None
            or watch.place.age < 0
            or from_microseconds(state.open) != view.funnel.window.start
        ):
            assert not any(each and each.state == "known" for each in told.values())
            return
        assert watch.place.end is not None
        async with self.desk.pool.acquire() as connection:
            counts = await OpenWindow("1m", watch.streams).read(
                connection, self.desk.epoch.id, state.open, watch.place.end
            )
        truth = accounts(watch.detector, counts, watch.place.age, slice(None))
        for row, stream in enumerate(streams):
            expected = told[UUID(stream.from_stage), UUID(str(stream.to_stage))]
            assert expected is not None
            assert (expected.state == "known") == bool(watch.detector.under.learned[row])
            if expected.state == "known":
                self._same(
                    expected, [float(v[row]) for v in (truth.entered, truth.converted, truth.low, truth.high)]
                )
                end = bucket_end(state.open, watch.place.end, watch.place.age)
                assert expected.until == from_microseconds(end)
                assert expected.expected == pytest.approx(float(truth.expected[row]))

    def _same(self, expected: Expected, numbers: list[float]) -> None:
        self.known += 1
        assert [expected.entered, expected.converted, expected.low, expected.high] == numbers


@pytest.fixture
async def pages(site: Site) -> AsyncIterator[Database]:
    async with open_database(Settings(source_dsn=site.dsn)) as database:
        yield database


async def reader(site: Site, database: Database) -> Reader:
    found = Reader(await site.evaluator(), site.desk, database)
    site.evaluators[-1] = found  # type: ignore[call-overload]  # looks as an evaluator does, and at the page
    await found.look()
    return found


def first(view: View) -> Expected:
    expected = view.rows[0].pair.expected
    assert expected is not None
    return expected


def numbers(expected: Expected, *names: str) -> list[float]:
    """Return numbers that must be there."""
    return [float(getattr(expected, name)) for name in names]


async def test_the_page_learns_with_the_detector_then_tells_the_range_and_the_drop(
    site: Site, pages: Database
) -> None:
    await site.past(*[CALM] * 12)
    page = await reader(site, pages)
    await site.minute_of(0.5, steps=(30,))
    learning = first(page.views[-2])
    assert (learning.state, learning.windows, learning.windows_left, learning.expected) == (
        "learning",
        12,
        2,
        None,
    )
    await site.minute_of(0.5, steps=(30,))
    await site.minute_of(0.5, steps=(30,))
    calm = page.views[-2]
    assert first(calm).state == "known"
    low, rate, high = numbers(first(calm), "low_rate", "rate", "high_rate")
    assert low < rate < high
    assert calm.trend.expected is not None
    assert calm.verdict.kind != "dropping"
    await site.minute_of(0.03, steps=(30, 50))
    young = page.views[-3]
    assert first(young).until == START.replace(minute=15, second=30)
    assert page.views[-2].verdict.kind == "dropping"
    converted, low = numbers(first(page.views[-2]), "converted", "low")
    assert converted < low
    assert page.known >= 4


async def test_a_closed_window_has_the_times_of_its_run_and_no_expectation(
    site: Site, pages: Database
) -> None:
    await site.minute_of(0.5)
    await reader(site, pages)
    async with pages.reading(EVERYTHING) as read:
        view = await read_view(read, ADDRESS.with_at(START))
    pair = view.rows[0].pair
    assert view.funnel.window.state == "closed"
    assert pair.expected is None
    assert pair.time_to_convert is not None
    assert abs(pair.time_to_convert.median - 3) < 5  # deals take 1 to 5 seconds; a bucket has 5
    assert pair.time_to_convert.low < pair.time_to_convert.median < pair.time_to_convert.high


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2))
async def test_the_verdict_is_the_detectors_on_random_traffic(site: Site, pages: Database, seed: int) -> None:
    chance = random.Random(seed)
    site.chance = random.Random(seed)
    await site.past(*[(chance.uniform(0.45, 0.55), chance.randint(80, 150)) for _ in range(13)])
    page = await reader(site, pages)
    rate = 0.5
    for number in range(25):
        rate = chance.choice((rate, rate, 0.5, 0.5, 0.3, 0.05))
        steps = sorted(chance.sample(range(5, 60), chance.randint(0, 3)))
        doubts = ("a doubt",) if chance.random() < 0.1 else ()
        if number < 4:  # every history has a drop as soon as the baseline suffices
            await site.minute_of(0.5 if number < 2 else 0.02, 150, steps=steps)
            continue
        await site.minute_of(rate, chance.randint(0, 150), *doubts, steps=steps)
        if chance.random() < 0.15:
            await site.correct_the_last_minute()
    assert page.known > 20
    assert {view.verdict.kind for view in page.views} >= {"dropping"}


@pytest.mark.parametrize("restarts", [False, True])
async def test_expectations_of_a_rule_that_is_taken_away_are_forgotten(
    site: Site, pages: Database, *, restarts: bool
) -> None:
    await site.minute_of(0.5)
    await reader(site, pages)
    await site.minute_of(0.5, steps=(30,))
    kept = "select distinct rule from funnelproof.alert_expectation"
    assert [row["rule"] for row in await site.desk.pool.fetch(kept)] == ["drops"]
    site.rules.write_text(RULES.replace('name = "drops"', 'name = "other"'))
    if restarts:
        await site.release()
        await site.evaluator()
    await site.evaluators[-1].look()
    assert await site.desk.pool.fetch(kept) == []
    await site.minute_of(0.5, steps=(30,))
    assert [row["rule"] for row in await site.desk.pool.fetch(kept)] == ["other"]
