"""A detector behaves alike whether it looks live or later, goes on or is restored, alone or among others."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.detection.cusum import log_threshold
from streams.domain.detection.detector import Detector
from streams.domain.detection.evidence import DropTest
from streams.domain.detection.generated import Traffic
from streams.domain.detection.hypotheses import Question
from streams.domain.detection.look import Look
from streams.domain.detection.profile import BUCKETS, Profile, Rows
from streams.domain.detection.season import Season, season_of
from streams.domain.detection.shapes import SHAPES
from streams.domain.detection.snapshot import SnapshotError
from streams.domain.detection.traffic import TrafficTest
from tests.depth import examples

LENGTH = {"hour": 3_600_000_000, "day": 86_400_000_000, "week": 7 * 86_400_000_000}
MONDAY = 4 * LENGTH["day"]
PAIRS, COUNT = 6, 55
TESTS = st.sampled_from([DropTest(0.3), DropTest(0.1), TrafficTest(0.5)])
WORLDS = st.tuples(
    st.sampled_from(SHAPES),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.4, 0.8]),
    st.sampled_from(list(LENGTH)),
)
World = tuple[str, int, float, str]


def made(test: Question, kind: str, pairs: int = PAIRS) -> Detector:
    return Detector.empty(pairs, season_of(kind), test, log_threshold(5, LENGTH["hour"], 50.0))


def snapshot(detector: Detector) -> bytes:
    return b"".join(detector.snapshot())


def windows(world: World, count: int = COUNT, pairs: int = PAIRS) -> list[tuple[int, Profile]]:
    """Return windows; a drop lasts from the 31st to the 40th."""
    shape, seed, drop, kind = world
    rates = np.resize((0.2, 0.5, 0.8), pairs)
    usual, fallen = (
        list(Traffic(shape, rates, seed, drop=by, drop_at=30).windows(count)) for by in (0.0, drop)
    )
    profiles = [*usual[:30], *fallen[30:40], *usual[40:]]
    return [(MONDAY + number * LENGTH[kind], profile) for number, profile in enumerate(profiles)]


def live(detector: Detector, story: list[tuple[int, Profile]]) -> Iterator[Look]:
    """Look at every age with no more counts than are visible then."""
    for start, profile in story:
        detector.open(start)
        for age in range(BUCKETS - 1):
            yield detector.look(profile.cut(age), age)
        yield detector.close(Profile(profile.entered, profile.converted))


def at_once(detector: Detector, story: list[tuple[int, Profile]]) -> Iterator[Look]:
    for start, profile in story:
        detector.open(start)
        detector.foresee(profile)
        for age in range(BUCKETS - 1):
            yield detector.look(profile, age)
        yield detector.close(profile)


def assert_same(one: list[Look], other: list[Look]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        for name in ("fired", "resolved", "adopted", "log_e", "log_recovery", "log_evidence"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name)), name


@settings(max_examples=examples(10))
@given(WORLDS, TESTS)
def test_looks_made_one_by_one_and_looks_made_at_once_find_the_same(world: World, test: Question) -> None:
    one, other = made(test, world[3]), made(test, world[3])
    assert_same(list(live(one, windows(world))), list(at_once(other, windows(world))))
    assert snapshot(one) == snapshot(other)


def test_the_worlds_of_these_tests_have_alerts_that_fire_and_resolve() -> None:
    looks = list(at_once(made(DropTest(0.3), "week"), windows(("steady", 1, 0.8, "week"))))
    assert sum(look.fired.sum() for look in looks) >= PAIRS
    assert sum(look.resolved.sum() for look in looks) >= PAIRS / 2


@settings(max_examples=examples(10))
@given(WORLDS, TESTS, st.integers(0, COUNT - 1), st.integers(0, BUCKETS))
def test_a_restored_detector_goes_on_as_the_one_that_was_stored(
    world: World, test: Question, window: int, looks: int
) -> None:
    story = windows(world)
    one = made(test, world[3])
    list(live(one, story[:window]))
    start, profile = story[window]
    one.open(start)
    for age in range(min(looks, BUCKETS - 1)):
        one.look(profile.cut(age), age)
    if looks == BUCKETS:
        one.close(profile)
    other = Detector.restore(BytesIO(snapshot(one)), one.season, test, one.log_threshold)
    rest: tuple[list[Look], list[Look]] = ([], [])
    for each, found in zip((one, other), rest, strict=True):
        if looks < BUCKETS:
            found.extend(each.look(profile.cut(age), age) for age in range(looks, BUCKETS - 1))
            found.append(each.close(profile))
        found.extend(live(each, story[window + 1 :]))
    assert_same(*rest)
    assert snapshot(one) == snapshot(other)


def test_bytes_that_do_not_fit_are_refused() -> None:
    one = made(DropTest(0.3), "day")
    list(live(one, windows(("steady", 1, 0.0, "day"), 3)))
    whole = snapshot(one)

    def restored(data: bytes, season: Season = one.season) -> Detector:
        return Detector.restore(BytesIO(data), season, one.test, one.log_threshold)

    restored(whole)
    for broken in (
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"nonsense",
        whole.replace(b'"version": 2', b'"version": 1', 1),
    ):
        with pytest.raises(SnapshotError):
            restored(broken)
    with pytest.raises(SnapshotError, match="short"):
        restored(whole[:-1])
    with pytest.raises(SnapshotError, match="season"):
        restored(whole, season_of("day", "Asia/Tokyo"))


def part(look: Look, rows: Rows) -> Look:
    return Look(
        look.fired[rows],
        look.resolved[rows],
        look.adopted[rows],
        look.log_e[:, rows],
        look.log_recovery[rows],
        look.log_evidence[rows],
    )


def assert_alike(one: list[Look], other: list[Look]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        assert np.array_equal(mine.fired, theirs.fired)
        assert np.array_equal(mine.resolved, theirs.resolved)
        np.testing.assert_allclose(mine.log_evidence, theirs.log_evidence, rtol=1e-3, atol=1e-3)


@pytest.mark.thorough
@settings(max_examples=examples(10))
@given(WORLDS, TESTS, st.permutations(range(PAIRS)), st.integers(0, PAIRS), st.integers(0, COUNT - 1))
def test_pairs_that_stay_do_not_notice_that_others_go(
    world: World, test: Question, order: list[int], stay: int, window: int
) -> None:
    rows, story = np.array(order[:stay], np.intp), windows(world)
    one, other = made(test, world[3]), made(test, world[3])
    list(live(one, story[:window]))
    list(live(other, story[:window]))
    other.keep(rows)
    found = list(live(other, [(start, profile[rows]) for start, profile in story[window:]]))
    assert_alike([part(look, rows) for look in live(one, story[window:])], found)
    past = story[min(window, 35)][0]
    assert np.array_equal(one.status_of(past)[rows], other.status_of(past))


@pytest.mark.thorough
@settings(max_examples=examples(10))
@given(WORLDS, TESTS, st.integers(1, 3), st.integers(0, 30))
def test_pairs_that_come_are_as_pairs_of_a_new_detector(
    world: World, test: Question, more: int, window: int
) -> None:
    story, kind = windows(world, pairs=PAIRS + more), world[3]
    old, new = np.arange(PAIRS), np.arange(PAIRS, PAIRS + more)
    grown, fresh, alone = made(test, kind), made(test, kind, more), made(test, kind)
    list(live(grown, [(start, profile[old]) for start, profile in story[:window]]))
    grown.grow(more)
    found = list(live(grown, story[window : window + 1]))
    assert (grown.state.left_out.born[new] == story[window][0]).all()
    found += live(grown, story[window + 1 :])
    of_old = list(live(alone, [(start, profile[old]) for start, profile in story]))
    assert_alike(of_old[window * BUCKETS :], [part(look, old) for look in found])
    if (
        kind != "hour"
    ):  # the variation of hours is measured at every twelfth opening only, counted from the first
        of_new = live(fresh, [(start, profile[new]) for start, profile in story[window:]])
        assert_alike(list(of_new), [part(look, new) for look in found])
    if window:
        assert not grown.status_of(story[window - 1][0])[new].any()


def test_pairs_that_come_while_a_window_is_open_take_part_in_the_window() -> None:
    story = windows(("steady", 3, 0.0, "week"), 2)
    one = made(DropTest(0.3), "week", PAIRS - 1)
    one.open(story[0][0])
    one.grow(1)
    one.close(story[0][1])
    assert one.status_of(story[0][0]).all()
    one.open(story[1][0])
    one.keep(np.arange(2))
    assert len(one.close(story[1][1][np.arange(2)]).fired) == 2
