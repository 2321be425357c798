"""A detector's state as bytes, so that an evaluator that restarts need not read a year of runs.

The bytes begin with a line of JSON: the version, the season, numbers, and for each array name, type and shape. The
arrays follow, one behind the other. A detector that is restored behaves as the detector that was stored.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.left_out import LeftOut
from streams.domain.detection.recent import Recent
from streams.domain.detection.rows import roomy
from streams.domain.detection.season import Season
from streams.domain.detection.state import State
from streams.domain.detection.waiting import Waiting

VERSION = 2
"""Increased when the meaning of the bytes changes; old bytes are then refused."""
_ROWS = 4096
_AT_ONCE = 1_000_000
"""Bytes that are read at once."""
_OF_PAIRS = ("measured", "log_s", "log_r", "firing", "rested", "since", "windows")
_NUMBERS = ("landmark", "open", "closed", "closes")


class SnapshotError(ValueError):
    """The bytes are no snapshot of this version and season: build the state from the stored runs."""


def parts(state: State, season: Season) -> Iterator[bytes]:
    """Yield the state as bytes, part by part: the state of many pairs is large."""
    arrays = dict(_arrays(state))
    head = {
        "version": VERSION,
        "season": _words(season),
        "numbers": {name: getattr(state, name) for name in _NUMBERS},
        "arrays": [(name, array.dtype.str, array.shape) for name, array in arrays.items()],
    }
    yield json.dumps(head).encode() + b"\n"
    for array in arrays.values():
        for start in range(0, max(len(array), 1), _ROWS):
            yield np.ascontiguousarray(array[start : start + _ROWS]).tobytes()


def from_file(file: BinaryIO, season: Season) -> State:
    """Return the state that was stored; raises SnapshotError for bytes of another version or season, or cut short."""
    line = file.readline()
    try:
        head = json.loads(line)
        known = line.endswith(b"\n") and (head["version"], head["season"]) == (VERSION, _words(season))
    except (ValueError, TypeError, KeyError) as error:
        raise SnapshotError("the bytes are no snapshot of a detector") from error
    if not known:
        raise SnapshotError("the snapshot has another version or season")
    found = {}
    for name, dtype, shape in head["arrays"]:
        found[name] = roomy(shape, dtype)
        _fill(found[name], file)
    of_pairs: dict[str, Any] = {name: found[name] for name in _OF_PAIRS} | head["numbers"]
    return State(
        baseline=Baseline(**_part(found, "baseline")),
        waiting=Waiting(found["waiting.place"], Baseline(**_part(found, "pool"))),
        recent=Recent(**_part(found, "recent")),
        left_out=LeftOut(**_part(found, "left_out")),
        **of_pairs,
    )


def _fill(array: NDArray[Any], file: BinaryIO) -> None:
    """Read an array, piece by piece: another copy of all would be large."""
    into, at = array.reshape(-1).view(np.uint8), 0
    while at < len(into):
        data = file.read(min(_AT_ONCE, len(into) - at))
        if not data:
            raise SnapshotError("the snapshot is cut short")
        into[at : at + len(data)] = np.frombuffer(data, np.uint8)
        at += len(data)


def _words(season: Season) -> list[int | str]:
    return [season.slots, season.cycle, season.half_life, season.timezone]


def _arrays(state: State) -> Iterator[tuple[str, NDArray[Any]]]:
    parts = {
        "baseline": state.baseline.arrays(),
        "pool": state.waiting.pool.arrays(),
        "recent": state.recent.arrays(),
        "left_out": {"born": state.left_out.born, "spans": state.left_out.spans},
    }
    for part, arrays in parts.items():
        for name, array in arrays.items():
            yield f"{part}.{name}", array
    yield "waiting.place", state.waiting.place
    for name in _OF_PAIRS:
        yield name, getattr(state, name)


def _part(arrays: dict[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")
    }
