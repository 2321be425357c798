"""The rule `below`: the conversion rate of a closed window is below a fixed rate."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Floor:
    """A fixed rate, in (0, 1], and the entries from which a window has a say."""

    rate: Fraction
    min_entered: int

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1 or self.min_entered < 1:
            raise ValueError("a floor needs a rate above 0 % and up to 100 %, and min_entered of at least 1")

    def breached(self, entered: int, converted: int) -> bool | None:
        """Return True below the rate, False at or above the rate, None with too few entries to say."""
        if entered < self.min_entered:
            return None
        return converted < self.rate * entered
