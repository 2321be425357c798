"""Values of rules as people write them: `30%`, `1 per pipeline per month`, `Qualified -> Demo`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

ANY: Final = "*"
"""Every tenant, pipeline, pair or stage."""
_MONTH = 30
"""Days of a month in a budget."""
_DAYS = {"day": 1, "week": 7, "month": _MONTH, "year": 365}
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_BUDGET = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) per pipeline per (day|week|month|year)")
_ARROW = "->"


@dataclass(frozen=True, order=True)
class PairName:
    """A pair of stages as a rule names them: by label or by id."""

    from_stage: str
    to_stage: str

    def __str__(self) -> str:
        return f"{self.from_stage} {_ARROW} {self.to_stage}"


@dataclass(frozen=True)
class Budget:
    """False alarms that a rule may make in a pipeline: `a_month` in 30 days, and the words of the rule."""

    a_month: float
    words: str

    def __str__(self) -> str:
        return self.words


def parse_share(value: Any) -> float:  # noqa: ANN401 - a validator is given whatever was written
    """Return `"30%"` as 0.3. Raises ValueError for every other form."""
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        return float(match[1]) / 100
    raise ValueError('is no percentage: write it as "30%"')


def parse_budget(value: Any) -> Budget:  # noqa: ANN401 - a validator is given whatever was written
    """Return a budget of false alarms; a month has 30 days, a year 365.

    `"1 per pipeline per month"` is 1 a month, `"1 per pipeline per year"` is 30/365 a month. Raises ValueError for
    another form and for 0.
    """
    words = " ".join(value.split()) if isinstance(value, str) else ""
    match = _BUDGET.fullmatch(words)
    if match is None:
        raise ValueError(
            'is no budget of false alarms: write it as "1 per pipeline per month" (or day, week, year)'
        )
    budget = Budget(float(match[1]) * _MONTH / _DAYS[match[2]], words)
    if budget.a_month <= 0:
        raise ValueError(
            "is a budget of 0, with which no alert ever fires: allow a few, as "
            '"1 per pipeline per year", or delete the rule'
        )
    return budget


def parse_pair(value: Any) -> PairName | str:  # noqa: ANN401 - a validator is given whatever was written
    """Return a pair, or `"*"`. Raises ValueError for every other form, and for a stage paired with itself."""
    if value == ANY:
        return ANY
    parts = _parts(value)
    if len(parts) != 2 or not all(parts):
        raise ValueError(
            'is no pair of stages: write it as "Qualified -> Demo", as "*", or, where a stage\'s name holds '
            'an arrow, as ["Qualified", "Demo"]'
        )
    if parts[0] == parts[1]:
        raise ValueError("pairs a stage with itself, and nothing converts from a stage to itself")
    return PairName(*parts)


def _parts(value: Any) -> Sequence[str]:  # noqa: ANN401 - see parse_pair
    if isinstance(value, str):
        return [part.strip() for part in value.split(_ARROW)]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return [part.strip() for part in value]
    return []
