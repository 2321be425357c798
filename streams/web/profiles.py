"""Profiles of a window's pairs, and what is told from them: times to convert, and the range that is expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import numpy as np

from streams.domain.detection.account import Account, account
from streams.domain.detection.decoding import decode_converted, decode_entered
from streams.domain.detection.expectation import LEARNING
from streams.domain.detection.profile import BUCKETS, Profile, bucket_end, bucket_of
from streams.domain.detection.told import unpack
from streams.domain.windows import from_microseconds, to_microseconds
from streams.web.database import Reading
from streams.web.durations import times_of
from streams.web.model import Expected, Times, Window

PairKey = tuple[UUID, UUID]
State = Literal["known", "young", "held", "learning"]


@dataclass(frozen=True)
class Told:
    """The times to convert of a window's pairs, and the expectations of the pairs that a rule judges."""

    times: Mapping[PairKey, Times | None]
    expected: Mapping[PairKey, Expected]


async def read_told(
    read: Reading,
    scope: tuple[UUID, UUID],
    tiling: str,
    window: Window,
    pairs: Sequence[PairKey],
    pulse: Mapping[str, Any] | None,
) -> Told:
    """Return what is known of pairs of the pipeline `scope`.

    `pulse` says what is proven; without it, as in a closed window, there are no expectations.
    """
    profile = await _profile(read, scope, window, pairs)
    seconds = (window.end - window.start).total_seconds() / BUCKETS
    times = {pair: times_of(_lags(profile, row), seconds) for row, pair in enumerate(pairs)}
    if pulse is None:
        return Told(times, {})
    rows = await read.rows("expectations", *scope, window.window, tiling)
    places = dict(zip(pairs, range(len(pairs)), strict=True))
    return Told(times, _expected(rows, window, places, profile, pulse))


async def _profile(
    read: Reading, scope: tuple[UUID, UUID], window: Window, pairs: Sequence[PairKey]
) -> Profile:
    if window.run_id is not None:
        rows = await read.rows("run_profiles", window.run_id)
        entered = {(row["from_stage_id"], row["to_stage_id"]): row["entered"] for row in rows}
        converted = {(row["from_stage_id"], row["to_stage_id"]): row["converted"] for row in rows}
    else:
        rows = await read.rows("step_profiles", *scope, window.window, window.start, window.end)
        steps = {(row["from_stage_id"], row["to_stage_id"]): row["profile"] for row in rows}
        entered = {pair: steps[pair[0], pair[0]] for pair in pairs if (pair[0], pair[0]) in steps}
        converted = {pair: steps[pair] for pair in pairs if pair in steps}
    profile = Profile.empty(len(pairs))
    for row, pair in enumerate(pairs):
        if pair in entered:
            profile.entered[row] = decode_entered([entered[pair]])[0]
        if pair in converted:
            profile.converted[row] = decode_converted([converted[pair]])[0]
    return profile


def _lags(profile: Profile, row: int) -> list[int]:
    return [int(np.trace(profile.converted[row], lag)) for lag in range(BUCKETS)]


def _expected(
    rows: Sequence[Mapping[str, Any]],
    window: Window,
    places: Mapping[PairKey, int],
    profile: Profile,
    pulse: Mapping[str, Any],
) -> dict[PairKey, Expected]:
    """Return what the detector expects."""
    known = [row for row in rows if (row["from_stage_id"], row["to_stage_id"]) in places]
    if not known or pulse["source_time"] is None:
        return {}
    start, end = to_microseconds(window.start), to_microseconds(window.end)
    age = min(bucket_of(start, end, to_microseconds(pulse["source_time"])), BUCKETS) - 1
    expected = unpack(*zip(*((row["likely"], row["learned"], row["spread"]) for row in known), strict=True))
    seen = profile[np.array([places[row["from_stage_id"], row["to_stage_id"]] for row in known])]
    told = account(seen, expected, max(age, 0))
    found = {}
    for place, row in enumerate(known):
        state = _state(row, window, age, is_proven=pulse["completeness"] == "proven")
        found[row["from_stage_id"], row["to_stage_id"]] = Expected(
            rule=row["rule"],
            state=state,
            windows=row["windows"],
            windows_left=0 if row["learned"] else max(1, LEARNING - row["windows"]),
            until=from_microseconds(bucket_end(start, end, max(age, 0))),
            **(_numbers(told, place) if state == "known" else {}),
        )
    return found


def _state(row: Mapping[str, Any], window: Window, age: int, *, is_proven: bool) -> State:
    if not row["learned"]:
        return "learning"
    if not is_proven:
        return "held"
    return "known" if age >= 0 and row["window_start"] == window.start else "young"


def _numbers(told: Account, place: int) -> dict[str, Any]:
    entered, converted, expected, low, high = (
        float(values[place]) for values in (told.entered, told.converted, told.expected, told.low, told.high)
    )
    rates = ("rate", converted), ("expected_rate", expected), ("low_rate", low), ("high_rate", high)
    return {
        "entered": round(entered),
        "converted": round(converted),
        "expected": expected,
        "low": round(low),
        "high": round(high),
        **({name: number / entered for name, number in rates} if entered else {}),
    }
