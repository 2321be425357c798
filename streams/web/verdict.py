"""The sentence at the top of the page: is conversion dropping? Only the alert detector may say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.web.intervals import rate_interval
from streams.web.model import Pair

TOO_WIDE = 0.1
"""Half the width of a rate's interval from which the deals are too few to tell: 10 points in either direction."""


@dataclass(frozen=True)
class Verdict:
    """The sentence, and its kind for the drawing. `unjudged`: no detector has looked at the pipeline."""

    kind: Literal["unjudged", "too_few", "loading"]
    text: str
    note: str = ""


def verdict_of(pairs: Sequence[Pair], *, is_loading: bool) -> Verdict:
    """Return the verdict on the pairs of a window. `is_loading`: not all partitions are counted yet."""
    if is_loading:
        return Verdict(
            "loading", "Loading: the counts are not complete yet.", "Workers read the log for the first time."
        )
    judgement = "No verdict: alert rules do not judge this pipeline yet."
    if not pairs:
        return Verdict("unjudged", judgement, "The pipeline has fewer than two stages.")
    entered = pairs[0].counts.entered
    if is_too_few(pairs[0].counts.entered, pairs[0].counts.converted):
        deals = "No entry yet" if entered == 0 else "1 entry" if entered == 1 else f"{entered} entries"
        return Verdict("too_few", f"{deals}: too few to tell.", judgement)
    return Verdict("unjudged", judgement, "The numbers below are complete as far as the proofs say.")


def is_too_few(entered: int, converted: int) -> bool:
    """Return True if the rate's interval is too wide to see a change.

    Example: 20 of 40 converted, so the rate lies between 35 % and 65 %: too few.
    """
    return rate_interval(converted, entered).half_width > TOO_WIDE
