"""Looks at many pipelines are cheap, and find the same: only changed counts are read, and streams come and go."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from bench.alerts.scale import Cost, story
from streams.alerts.evaluation import open_window
from streams.alerts.evaluation.evaluator import FUNNELS_EVERY, Evaluator
from streams.alerts.evaluation.open_window import OpenWindow
from streams.alerts.evaluation.streams import Streams
from streams.alerts.evaluation.watch import Watch
from streams.alerts.scope import Stream
from streams.domain.windows import to_microseconds
from streams.store.database import Connection
from tests.integration.alerts.test_evaluator import TRANSITIONS, Site, learned, site
from tests.integration.closing.conftest import IDLE, SALES, STAGES, START, entry, stage_id

__all__ = ["site"]
BOTH = (SALES, IDLE)


def pairs() -> Streams:
    return Streams(
        [Stream(scope, stage_id(scope, a), stage_id(scope, b)) for scope in BOTH for a, b in pairwise(STAGES)]
    )


@pytest.mark.parametrize("many", [open_window.MANY, 4])
async def test_profiles_that_follow_the_flushes_are_those_that_are_read_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(open_window, "MANY", many)
    start, end = (to_microseconds(START + timedelta(minutes=minute)) for minute in (0, 1))
    desk, streams = site.desk, pairs()
    await desk.close(0, scopes=BOTH)
    following = OpenWindow("1m", streams)
    totals = []
    async with desk.pool.acquire() as connection:
        for step in range(40):
            scope, deal = site.chance.choice(BOTH), site.chance.randrange(6)
            new = entry(site.chance.choice(STAGES), site.chance.uniform(0, 70), scope)
            row = f"{deal} {site.chance.randrange(3)}"  # rows are moved between stages, windows and pipelines
            desk.write(row, site.chance.choice([new, new, None]), deal=f"deal {deal}", partition=deal % 2)
            await desk.flush(*site.chance.choice([(0,), (1,), ()]))
            if step == 25:
                await desk.take_over(1, 0)
            found = await following.read(connection, desk.epoch.id, start, end)
            anew = await OpenWindow("1m", streams).read(connection, desk.epoch.id, start, end)
            assert np.array_equal(found.entered, anew.entered)
            assert np.array_equal(found.converted, anew.converted)
            totals.append((int(found.entered_count.sum()), int(found.converted_count.sum())))
    assert len(set(totals)) > 10
    assert any(later < earlier for earlier, later in pairwise(totals))


async def again(evaluator: Evaluator) -> None:
    """Look at once at which pipelines there are."""
    evaluator._read_at -= FUNNELS_EVERY
    await evaluator.look()


async def no_learning(self: Watch, connection: Connection, until: int | None) -> None:
    raise AssertionError(f"{self} learns from {connection} until {until}")


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_new_pipeline_leaves_the_decisions_about_the_others_as_they_are(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, restarted: bool
) -> None:
    await learned(site)
    await site.minute_of(0.5)
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "learn", no_learning)
        await site.desk.close(site.minute * 60 + 1, scopes=BOTH)
        if restarted:
            await site.release()
            await site.evaluator()
        await again(site.evaluators[-1])
        ((_, watch),) = site.evaluators[-1]._watches.values()
        assert isinstance(watch, Watch)
        assert len(watch.streams) == 4
        await site.minute_of(0.03, steps=(20, 40))
        await again(
            site.evaluators[-1]
        )  # the pipeline is gone again: `minute_of` proves the stages of one pipeline
        assert len(watch.streams) == 2
        for rate in (0.03, 0.5, 0.5, 0.5):
            await site.minute_of(rate, steps=(20, 40))
    fired, resolved = await site.desk.pool.fetch(TRANSITIONS)
    assert (fired["transition"], resolved["transition"]) == ("fired", "resolved")
    assert fired["window_start"] == START + timedelta(minutes=21)


async def test_a_new_stream_with_a_history_is_learned(site: Site) -> None:
    site.rules.write_text(site.rules.read_text() + 'pairs = ["stage 1 -> stage 2"]\n')
    evaluator = await learned(site)
    site.rules.write_text(site.rules.read_text().replace("stage 1 -> stage 2", "*"))
    await again(evaluator)
    await site.minute_of(0.03, steps=(20, 40))
    (fired,) = await site.desk.pool.fetch(TRANSITIONS)
    assert fired["window_start"] == START + timedelta(minutes=20)


@pytest.mark.thorough
@pytest.mark.timeout(240)
async def test_looks_at_many_pipelines_cost_little(database: str, tmp_path: Path) -> None:
    del tmp_path
    costs: list[Cost] = []
    connection = await asyncpg.connect(database)
    await connection.close()
    await story(database, 200, 15, costs.append)
    cpu = {cost.step: cost.cpu for cost in costs}
    look = cpu["a look at all, every count has changed"]
    assert look < 0.25, costs  # 10,000 pipelines have 2 s
    assert cpu["a new pipeline"] < cpu["the begin: 15 days are learned"] / 3, costs


async def test_the_memory_of_a_rule_that_is_gone_is_forgotten(site: Site) -> None:
    evaluator = await learned(site)
    await site.minute_of(0.5)
    rules = "select distinct rule from funnelproof.alert_memory"
    assert [row[0] for row in await site.desk.pool.fetch(rules)] == ["drops"]
    site.rules.write_text(site.rules.read_text().replace('"drops"', '"falls"'))
    await again(evaluator)
    assert await site.desk.pool.fetch(rules) == []
    await site.minute_of(0.5)
    assert [row[0] for row in await site.desk.pool.fetch(rules)] == ["falls"]
