"""Sets of rows that are compared as wholes: 24 bytes a row, however many rows a window has."""

from array import array

import numpy as np
from numpy.typing import NDArray

_ID = 16


class RowSet:
    """Rows of the stage table, each as a fingerprint of eight bytes, and the row's deal."""

    def __init__(self) -> None:
        self._prints = array("q")
        self._deals = bytearray()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._prints)

    def add(self, deal_id: bytes, row_id: bytes, scope: int, stage: int, at: int) -> None:
        """Add a row."""
        self._prints.append(hash((deal_id, row_id, scope, stage, at)))
        self._deals += deal_id

    @property
    def prints(self) -> NDArray[np.int64]:
        """The fingerprints."""
        return np.frombuffer(self._prints, np.int64)

    def deals_unlike(self, other: "RowSet") -> set[bytes]:
        """Return the deals of rows that `other` lacks, or has otherwise."""
        alone = np.flatnonzero(~np.isin(self.prints, other.prints))
        return {bytes(self._deals[_ID * place : _ID * (place + 1)]) for place in alone.tolist()}
