"""The streams of a watch, in the order of the detector's rows, found by the keys that Postgres sends.

A key is identifiers of 16 bytes, one behind the other: tenant, pipeline and stages. Streams are many, so the keys are
one sorted array and not a dictionary, which would be seven times as large.
"""

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from streams.alerts.scope import Stream
from streams.domain.detection.profile import Rows

IDENTIFIER = 16
"""Bytes of an identifier in a key."""
STAGE = 3 * IDENTIFIER
"""Bytes of a key up to the first stage."""
_KEY = f"S{STAGE + IDENTIFIER}"
_LAST = b"\xff" * IDENTIFIER
_NOWHERE = -1


class Streams:
    """See the module. `streams` must not change."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = streams
        keys = np.fromiter(map(key_of, streams), _KEY, len(streams))
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._keys = keys[self._order]

    def __len__(self) -> int:
        """Return the number of streams."""
        return len(self.streams)

    def places(self, keys: Sequence[bytes]) -> Rows:
        """Return the row of the stream of each key; -1 where no stream has the key."""
        wanted = np.array(keys, _KEY)
        places = np.full(len(wanted), _NOWHERE, np.intp)
        at = np.searchsorted(self._keys, wanted)
        inside = np.flatnonzero(at < len(self._keys))
        known = inside[self._keys[at[inside]] == wanted[inside]]
        places[known] = self._order[at[known]]
        return places

    def places_from(self, stages: Sequence[bytes]) -> tuple[Rows, Rows]:
        """Return the rows of all streams that begin with stages, and for each row the number of the stage."""
        first = np.searchsorted(self._keys, np.array(stages, _KEY))
        behind = np.searchsorted(self._keys, np.array([stage + _LAST for stage in stages], _KEY), "right")
        counts = behind - first
        which = np.repeat(np.arange(len(stages)), counts)
        offset = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._order[first[which] + offset].astype(np.intp), which


def key_of(stream: Stream) -> bytes:
    """Return the key of a stream: without a second stage, the key has three identifiers."""
    identifiers = (*stream.scope, stream.from_stage, stream.to_stage)
    return b"".join(UUID(each).bytes for each in identifiers if each is not None)
