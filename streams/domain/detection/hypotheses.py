"""The questions of the detector to a test: `evidence.DropTest` and `traffic.TrafficTest` answer."""

from typing import Protocol

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.decay import Moment
from streams.domain.detection.profile import Flags, Profile, Reals, Rows
from streams.domain.detection.recent import Recent


class Hypotheses(Protocol):
    """Null and alternatives about one window of many pairs."""

    @property
    def learned(self) -> Flags:
        """The pairs whose baseline is large enough."""

    @property
    def measured(self) -> Reals:
        """The measurements of the last windows (3, n): see `recent.Recent`."""

    def bounds(self, profile: Profile, ages: slice) -> tuple[Reals, Reals]:
        """Return by age what the logarithms of both E-values cannot exceed, and what the first cannot fall below.

        Both have the shape (ages, n). The first is -inf while learning, the second inf where nothing has recovered.
        """

    def log_e(self, profile: Profile, ages: Rows, pairs: Rows) -> Reals:
        """Return the logarithms of the E-values of pairs at ages (2, k), for drops of d and 2d; 0 while learning."""


class Question(Protocol):
    """The question of a rule."""

    def hypotheses(self, baseline: Baseline, recent: Recent, known: Reals, moment: Moment) -> Hypotheses:
        """Return the hypotheses about a window; `known` is `Hypotheses.measured`, NaN where to be measured anew."""
