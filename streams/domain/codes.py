"""Small numbers for identifiers that come again and again, so that millions of rows can share them."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from streams.domain.change import Scope

T = TypeVar("T")


class Codes(Generic[T]):
    """Numbers values 0, 1, 2, … in the order they are first met; one object a worker and kind of value."""

    def __init__(self) -> None:
        self._values: list[T] = []
        self._codes: dict[T, int] = {}

    def code(self, value: T) -> int:
        """Return the value's number, the next free one if it is new."""
        code = self._codes.get(value)
        if code is None:
            code = self._codes[value] = len(self._values)
            self._values.append(value)
        return code

    def value(self, code: int) -> T:
        """Return the value of a number; raises IndexError for one that was never given."""
        return self._values[code]

    def values(self) -> tuple[T, ...]:
        """Return every value, each at the place of its number."""
        return tuple(self._values)


@dataclass(frozen=True)
class Vocabulary:
    """The numbers of scopes and stages; one for all partitions of a worker."""

    scopes: Codes[Scope] = field(default_factory=Codes)
    stages: Codes[str] = field(default_factory=Codes)
