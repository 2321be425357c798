"""Simulations of stored runs decide what a live evaluator has decided; injected drops are found."""

import json
import random
from pathlib import Path

import msgspec
import pytest

from streams.alerts.checking import check_rules
from streams.alerts.notation import PairName
from streams.alerts.simulation.injection import Injection
from streams.alerts.simulation.simulate import Simulated, Wish, simulate_stored
from streams.alerts.transition import Evidence
from streams.domain.windows import from_microseconds, to_microseconds
from streams.settings import Settings
from tests.integration.alerts.test_evaluator import CALM, RULES, Site, site
from tests.integration.closing.conftest import START

__all__ = ["site"]
LIVE = (
    "select transition, at, window_start, from_stage_id::text, to_stage_id::text, content"
    " from funnelproof.alert_event where kind <> 'health' order by event_number"
)
WAITING = RULES + 'for = "7s"\nkeep_firing_for = "90s"\n'
EVERY_KIND = (
    RULES
    + '[[rule]]\nname = "quiet"\nkind = "traffic"\nwindow = "1m"\n'
    + '[[rule]]\nname = "floor"\nkind = "below"\nwindow = "1m"\nrate = "40%"\n'
)


async def simulated(site: Site, *injections: Injection) -> Simulated:
    settings = Settings(source_dsn=site.dsn, windows="1m", alert_rules=site.rules)
    wish = Wish(now=to_microseconds(START), injections=injections, processes=1)
    return await simulate_stored(settings, wish)


def told(content: Evidence) -> dict[str, object]:
    """Return the numbers, without the revision, which a simulation has no run for."""
    numbers: dict[str, object] = msgspec.to_builtins(content)
    numbers.pop("revision", None)
    return numbers


async def compare(site: Site, seed: int, minutes: int) -> int:
    """Let an evaluator look live at a story, replay the story, and return the number of transitions."""
    chance = random.Random(seed)
    await site.minute_of(0.5)
    evaluator = await site.evaluator()
    await evaluator.look()
    for minute in range(minutes):
        rate = chance.choice([0.03, 0.25, 0.5, 0.5]) if minute > 18 else 0.5
        deals = chance.choice([0, 20, 120, 120]) if minute > 18 else 120
        steps = sorted(chance.sample(range(1, 60), chance.randint(0, 4))) if minute > 12 else ()
        await site.minute_of(rate, deals, steps=steps)
    live = {
        (
            row["transition"],
            row["at"],
            row["window_start"],
            row["from_stage_id"],
            row["to_stage_id"],
            json.dumps(told(msgspec.json.decode(row["content"], type=Evidence)), sort_keys=True),
        )
        for row in await site.desk.pool.fetch(LIVE)
    }
    replayed = {
        (
            step,
            from_microseconds(seen.at),
            from_microseconds(seen.start),
            stream.from_stage,
            stream.to_stage,
            json.dumps(told(seen.evidence), sort_keys=True),
        )
        for played in (await simulated(site)).parts
        for stream, step, seen in played.decided
    }
    assert replayed == live
    return len(live)


async def test_a_replay_decides_what_a_live_evaluator_has_decided(site: Site) -> None:
    assert await compare(site, 1, 34) > 1


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(2, 4))
async def test_replays_of_longer_histories_and_of_rules_of_every_kind_agree_with_live(
    site: Site, seed: int
) -> None:
    site.rules.write_text(EVERY_KIND)
    assert await compare(site, seed, 45) > 4


async def test_a_rule_that_waits_fires_in_a_replay_where_the_wait_has_passed(site: Site) -> None:
    site.rules.write_text(WAITING)
    await site.past(*[CALM] * 20)
    await site.minute_of(0.03)
    await site.past(*[CALM] * 4)
    (played,) = (await simulated(site)).parts
    (_, fired, at), (_, resolved, until) = (
        (stream, step, from_microseconds(seen.at)) for stream, step, seen in played.decided
    )
    assert (fired, resolved) == ("fired", "resolved")
    assert 7 <= (at - START).total_seconds() - 20 * 60 < 60
    assert (until - at).total_seconds() > 60


async def test_an_injected_drop_is_found_and_is_no_false_alarm(site: Site) -> None:
    await site.past(*[CALM] * 26)
    pair = PairName("stage 0", "stage 1")
    begin = to_microseconds(START) + 22 * 60_000_000
    (figures,) = (await simulated(site, Injection(pair, 0.9, begin))).figures
    (found,) = figures.found
    assert (found.since, found.count, found.already_firing) == (begin, 1, 0)
    assert 0 < found.median <= 1
    assert figures.alarms == 0
    assert (await simulated(site)).figures[0].found == []


async def test_windows_that_are_estimates_are_passed_over(site: Site) -> None:
    await site.past(*[CALM] * 20)
    await site.minute_of(0.03, 120, "a doubt")
    await site.past(*[CALM] * 4)
    (played,) = (await simulated(site)).parts
    assert (len(played.windows), list(played.decided)) == (24, [])


async def test_a_name_that_is_not_there_is_refused(site: Site, tmp_path: Path) -> None:
    del tmp_path
    await site.minute_of(0.5)
    settings = Settings(source_dsn=site.dsn, windows="1m", alert_rules=site.rules)
    for wish, why in (
        (Wish(now=0, rule="x"), 'no rule is called "x"'),
        (Wish(now=0, window="day"), "no day windows are stored"),
        (Wish(now=0, tenant="x"), "cover nothing that was asked for"),
    ):
        with pytest.raises(Exception, match=why):
            await simulate_stored(settings, wish)


async def test_check_tells_the_smallest_drop_and_that_a_rule_is_blind(site: Site) -> None:
    site.rules.write_text(
        RULES + '[[rule]]\nname = "blind"\nkind = "drop"\nwindow = "1m"\npairs = ["stage 1 -> stage 2"]\n'
        '[[rule]]\nname = "quiet"\nkind = "traffic"\nwindow = "1m"\nstages = ["stage 0"]\n'
    )
    await site.past(*[CALM] * 10)
    settings = Settings(source_dsn=site.dsn, windows="1m", alert_rules=site.rules)
    learning = await check_rules(settings, START)
    assert learning.is_sound
    assert not any(sight.is_learned for rule in learning.rules for sight in rule.sights.values())
    await site.past(*[CALM] * 10)
    checked = await check_rules(settings, START)
    drops, blind, quiet = checked.rules
    sights = sorted(drops.sights.values(), key=lambda sight: -(sight.rate or 0))
    assert [(sight.windows, sight.can_fire) for sight in sights] == [(20, True), (20, False)]
    seen = sights[0]
    assert seen.entered == pytest.approx(120, rel=0.01)
    assert seen.rate == pytest.approx(0.5, abs=0.05)
    assert seen.smallest is not None
    once, week, month = (seen.smallest[horizon] or 1 for horizon in (1, 7, 30))
    assert 0.9 > once > week > month > 0.05
    assert (drops.can_fire, blind.can_fire, quiet.can_fire) == (True, False, True)
    assert not checked.is_sound
    (traffic,) = quiet.sights.values()
    assert traffic.rate is None
    assert traffic.smallest is not None
    assert 0.3 < (traffic.smallest[1] or 1) < 1
