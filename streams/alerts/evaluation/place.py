"""The place up to which a watch has looked."""

from dataclasses import dataclass


@dataclass
class Place:
    """The place up to which a watch has looked.

    `closed` is the start of the last closed window, None before the first. `start` and `end` are of the open window,
    `age` is the last bucket that was looked at, -1 for none. `proof_id` is the last publication.
    """

    closed: int | None = None
    start: int | None = None
    end: int | None = None
    age: int = -1
    proof_id: int = 0
