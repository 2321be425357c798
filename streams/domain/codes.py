"""Small numbers for frequent identifiers: millions of rows store a number instead of a UUID."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from streams.domain.change import Scope

T = TypeVar("T")


class Codes(Generic[T]):
    """Numbers values 0, 1, 2, … in the order of first use. A worker has an object per kind of value."""

    def __init__(self) -> None:
        self._values: list[T] = []
        self._codes: dict[T, int] = {}

    def code(self, value: T) -> int:
        """Return the value's number; a new value gets the next free number."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self._values)
            self._values.append(value)
        return code

    def value(self, code: int) -> T:
        """Return the value with this number; raises IndexError for an unknown number."""
        return self._values[code]

    def values(self) -> tuple[T, ...]:
        """Return the values in the order of their numbers."""
        return tuple(self._values)


@dataclass(frozen=True)
class Vocabulary:
    """The numbers of scopes and stages; the partitions of a worker share a vocabulary."""

    scopes: Codes[Scope] = field(default_factory=Codes)
    stages: Codes[str] = field(default_factory=Codes)
