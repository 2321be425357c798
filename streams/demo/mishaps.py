"""Mishaps in the story of the demo, so that alerts fire, resolve and are retracted.

```
   0  2 s     begin       15          30  34 s
lost  |=====================|                    leads of the first pipeline are lost: fires, resolves
late                        |===========|   |    a desk writes nothing down until 34 s: fires, is retracted
```
"""

from dataclasses import dataclass

from streams.demo.business import PIPELINES, Pipeline

LENGTH = 15.0
"""Seconds of a window of the kind that the rule of the demo watches."""
CALM = 2.0
"""Seconds before anything goes wrong."""
CAUGHT_UP = 4.0
"""Seconds from the end of a window until its late moves are written: the window is closed by then."""
LOST_SHARE = 0.05
"""The share of the usual conversions while leads are lost."""
CYCLE = 10 * LENGTH
"""Seconds after which everything goes wrong anew."""
LOST = PIPELINES[0]
LATE = PIPELINES[2]
"""In both pipelines the moves from the first stage to the second suffer."""


@dataclass(frozen=True)
class Mishaps:
    """The times of the mishaps, in seconds of a plan: the CRM starts at `start`, the first whole window at `begin`."""

    start: float
    begin: float

    def lose(self, pipeline: Pipeline, place: int, now: float) -> bool:
        """Return true while most deals of a stage are lost."""
        return pipeline is LOST and place == 0 and now >= self.start + CALM and self._since(now) < LENGTH

    def delay(self, pipeline: Pipeline, place: int, now: float) -> bool:
        """Return true while moves from a stage are not written down."""
        return pipeline is LATE and place == 0 and LENGTH <= self._since(now) < 2 * LENGTH

    def caught_up(self, now: float) -> bool:
        """Return true from the instant at which the late moves are written, until the next moves are late."""
        return not LENGTH <= self._since(now) < 2 * LENGTH + CAUGHT_UP

    def _since(self, now: float) -> float:
        """Return the seconds since the first whole window of this cycle, below 0 before it."""
        return min(now - self.begin, (now - self.begin) % CYCLE)
