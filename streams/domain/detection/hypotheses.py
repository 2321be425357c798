"""What the detector asks of a test: `evidence.DropTest` and `traffic.TrafficTest` answer."""

from typing import Protocol

from streams.domain.detection.baseline import Baseline
from streams.domain.detection.profile import Flags, Profile, Reals, Rows
from streams.domain.detection.recent import Recent


class Hypotheses(Protocol):
    """Null and alternatives about one window of many pairs."""

    @property
    def learned(self) -> Flags:
        """The pairs whose baseline is large enough."""

    @property
    def between(self) -> Reals:
        """The relative variance between windows (n,), with the error of the estimate."""

    def most(self, profile: Profile, age: int) -> Reals:
        """Return what the logarithms of both E-values cannot exceed (n,); -inf while learning."""

    def log_e(self, profile: Profile, age: int, rows: Rows) -> Reals:
        """Return the logarithms of the E-values of some pairs at an age (2, rows), for drops of d and 2d."""


class Test(Protocol):
    """What a rule looks for."""

    def hypotheses(
        self, baseline: Baseline, recent: Recent, known: Reals, slot: int, now: float
    ) -> Hypotheses:
        """Return the hypotheses about a window in a seasonal slot.

        `known` is the relative variance between windows (n,); NaN where the variance is to be measured. `now` is the
        weight of a window that starts now.
        """
