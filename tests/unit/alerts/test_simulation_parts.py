"""Injected drops, generated pipelines, and the picture of a simulation."""

import asyncio
from collections.abc import Sequence
from math import inf
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from streams.alerts.notation import PairName
from streams.alerts.scope import Stream
from streams.alerts.simulation.figures import Found
from streams.alerts.simulation.injection import Injection, Injector
from streams.alerts.simulation.picture import Panel, draw, panels_of
from streams.alerts.simulation.simulate import PIPELINES, Simulated, Wish, simulate_generated
from streams.alerts.simulation.source import GeneratedTraffic
from streams.domain.change import Scope
from streams.domain.detection.profile import Profile
from streams.settings import Settings

HOUR = 3_600_000_000
DAY = 24 * HOUR
MONDAY = 4 * DAY
SCOPE = Scope("t", "p")


def profile(pairs: int) -> Profile:
    """A thousand deals that entered in bucket 0, and half of them converted in bucket 1, of each pair."""
    made = Profile.empty(pairs)
    made.entered[:, 0], made.converted[:, 0, 1] = 1000, 500
    return made


def test_conversions_are_lost_from_the_instant_on_in_the_covered_rows_alone() -> None:
    injection = Injection("*", 0.4, 10)
    injector = Injector([(injection, np.array([1]))], np.zeros(2, bool), [1])
    before = profile(2)
    assert injector.inject(9, before) is before
    after = injector.inject(10, before)
    after.check()
    assert after.converted_count[0] == 500
    assert 240 < after.converted_count[1] < 360
    assert (after.entered == before.entered).all()
    assert before.converted_count[1] == 500


def test_two_drops_of_one_pair_multiply_and_a_seed_repeats_the_losses() -> None:
    injections = [(Injection("*", 0.5, 0), np.array([0])), (Injection("*", 0.5, 0), np.array([0]))]
    counts = [
        int(Injector(injections, np.zeros(1, bool), [seed]).inject(0, profile(1)).converted_count[0])
        for seed in (7, 7, 8)
    ]
    assert counts[0] == counts[1] != counts[2]
    assert all(80 < count < 170 for count in counts)


def test_a_rule_about_traffic_loses_entries() -> None:
    injector = Injector([(Injection("A", 1.0, 0), np.array([0]))], np.array([True, False]), [1])
    after = injector.inject(0, profile(2))
    assert after.entered_count.tolist() == [0, 1000]


@pytest.mark.parametrize(
    ("part", "to_stage", "covered"),
    [
        ("*", "b", True),
        (PairName("A", "b"), "b", True),
        (PairName("a", "B"), "b", True),
        (PairName("A", "C"), "b", False),
        (PairName("A", "B"), None, False),
        ("A", None, True),
        ("A", "b", False),
    ],
)
def test_a_drop_names_stages_by_id_or_label(
    part: PairName | str, to_stage: str | None, covered: bool
) -> None:
    stream = Stream(SCOPE, "a", to_stage)
    assert Injection(part, 0.5, 0).covers(stream, "A", to_stage and to_stage.upper()) == covered


def simulated(days: int, pipelines: int, *injections: Injection, processes: int = 1) -> Simulated:
    until = MONDAY + days * DAY
    wish = Wish(
        now=0, since=MONDAY, until=until, window="hour", injections=injections, draw=True, processes=processes
    )
    traffic = GeneratedTraffic("steady", 1, MONDAY, until)
    return asyncio.run(simulate_generated(Settings(windows="hour,day"), wish, traffic, pipelines, 2))


def test_a_drop_in_generated_traffic_is_found_and_drawn() -> None:
    begin = MONDAY + 19 * DAY
    found = simulated(21, 2, Injection(PairName("stage 1", "stage 2"), 0.7, begin))
    (figures,), (played,) = found.figures, found.parts
    assert (figures.pipelines, figures.streams, figures.windows) == (2, 4, 21 * 24)
    (drop,) = figures.found
    assert (drop.since, drop.count, len(drop.delays)) == (begin, 2, 2)
    assert 0 < drop.median < 6
    assert 0 < figures.months < 2 * 21 / 30
    panels = panels_of(found.parts)
    assert [panel.injected for panel in panels] == [begin, begin, None, None]
    assert {step for panel in panels for _, step in panel.marks} >= {"fired"}
    assert len(panels[0].seen) == 21 * 24
    assert np.isnan(panels[0].low[0])  # nothing is expected while learning
    assert np.isfinite(panels[0].low[-1])
    assert played.lines is not None


@pytest.mark.thorough
def test_the_figures_do_not_depend_on_the_number_of_processes() -> None:
    begin = MONDAY + 7 * DAY
    one, two = (simulated(8, PIPELINES + 1, Injection("*", 0.5, begin), processes=count) for count in (1, 2))
    assert len(one.parts) == 2
    assert all(each.decided for each in one.parts)
    assert one.figures == two.figures
    assert [each.decided for each in one.parts] == [each.decided for each in two.parts]


def panel(title: str, seen: Sequence[float]) -> Panel:
    rates = np.array(seen)
    starts = [HOUR * number for number in range(len(seen))]
    return Panel(title, starts, rates, rates - 0.1, rates + 0.1, [(HOUR, "fired")], HOUR, of_rate=True)


def test_a_picture_is_valid_xml_whatever_a_stage_is_called_and_leaves_gaps_open() -> None:
    odd = panel('<b>"A" & \u0007-> B', [0.5, 0.4, np.nan, 0.5, 0.5])
    tree = ET.fromstring(draw([odd, panel("long", [0.5] * 5000), panel("none", [])]))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    lines = tree.findall(f".//{space}polyline")
    assert [len(line.attrib["points"].split()) for line in lines][:2] == [2, 2]
    assert len(lines[2].attrib["points"].split()) <= 700
    texts = ["".join(text.itertext()) for text in tree.iter(f"{space}text")]
    assert any('<b>"A" & ' in text for text in texts)
    assert sum(text.startswith("▼fired") for text in texts) == 2


def test_a_drop_that_was_never_found_counts_in_the_median() -> None:
    assert Found(0.3, 0, [1.0, 2.0, inf], 0).median == 2.0
    assert Found(0.3, 0, [1.0, inf, inf], 0).median == inf
    assert Found(0.3, 0, [1.0, inf, inf], 0).count == 1
    assert Found(0.3, 0, [], 3).median == inf
