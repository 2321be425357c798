"""The decision about a program that has ended: a pause, and another start; or no further start."""

from datetime import timedelta

from streams.backoff import Backoff

MISTAKE = 2
"""The exit status of a program that cannot start: a wrong setting, an absent server, a port in use."""
STEADY = timedelta(minutes=1)
"""A program that has run for so long has started well."""
MOST_MISTAKES = 20
"""Ends with `MISTAKE` in a row, none of them steady, after which the program is not started again."""


class Restarts:
    """Counts the ends of one program in `ends`.

    A first start that ends with `MISTAKE` is the user's to mend, and is not repeated. Later the same status may come
    from a server that restarts, so the program is tried again: `MOST_MISTAKES` times at the most. A program that ends
    for another reason is started again for ever.
    """

    def __init__(self, backoff: Backoff | None = None) -> None:
        self._backoff = backoff or Backoff(timedelta(seconds=1), timedelta(seconds=30))
        self.ends = 0
        self._unsteady = 0
        self._mistakes = 0

    def after(self, status: int, lived: timedelta) -> timedelta | None:
        """Return the pause before the next start of a program that has ended; None: no further start."""
        self.ends += 1
        if lived >= STEADY:
            self._unsteady = self._mistakes = 0
        self._unsteady += 1
        self._mistakes = self._mistakes + 1 if status == MISTAKE else 0
        is_first = self.ends == 1 and lived < STEADY
        if self._mistakes >= (1 if is_first else MOST_MISTAKES):
            return None
        return self._backoff.pause(self._unsteady)
