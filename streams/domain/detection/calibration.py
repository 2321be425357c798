"""The live meter: a rule whose windows surprise too often is flagged.

Under the null E >= SURPRISING has at most the probability 1 / SURPRISING (Ville). The meter counts the closed windows
of a rule, those of firing alerts aside. A share above 5 % shows that the model does not fit the traffic.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from streams.domain.detection.cusum import log_evidence
from streams.domain.detection.look import Look
from streams.domain.detection.profile import Flags

SURPRISING = 20.0
ALLOWED = 1 / SURPRISING
_ALTERNATIVE = 3 * ALLOWED
_FLAGGED = log(100.0)
"""Evidence from which the share is too great: a rule that fits is flagged in at most one of a hundred lives."""


@dataclass(frozen=True, slots=True)
class Meter:
    """Closed windows of a rule, and the surprising windows among these."""

    windows: int = 0
    surprising: int = 0

    def with_windows(self, windows: int, surprising: int) -> "Meter":
        """Return the meter after further windows."""
        return Meter(self.windows + windows, self.surprising + surprising)

    def with_close(self, look: Look, judged: Flags) -> "Meter":
        """Return the meter after the close of a window, counted for the pairs that are True in `judged` (n,)."""
        alone = log_evidence(np.zeros_like(look.log_e), look.log_e)
        surprising = judged & (alone >= log(SURPRISING))
        return self.with_windows(int(judged.sum()), int(surprising.sum()))

    @property
    def share(self) -> float:
        """The share of surprising windows; 0 before the first window."""
        return self.surprising / self.windows if self.windows else 0.0

    @property
    def flagged(self) -> bool:
        """The share is above 5 %, and that is no chance: a likelihood ratio of 15 % against 5 % of at least 100."""
        usual = self.windows - self.surprising
        evidence = self.surprising * log(_ALTERNATIVE / ALLOWED) + usual * log(
            (1 - _ALTERNATIVE) / (1 - ALLOWED)
        )
        return self.share > ALLOWED and evidence >= _FLAGGED
