"""The states of an alert in time: pending before firing, and kept a while after the recovery."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The state of a pair under a rule."""

    INACTIVE = "inactive"
    PENDING = "pending"
    """The evidence suffices; the rule's `for` has not passed."""
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Phase:
    """A state, the instant since which the evidence suffices, and that of the recovery (microseconds)."""

    state: State = State.INACTIVE
    active_since: int | None = None
    recovered_at: int | None = None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The rule's `for` and `keep_firing_for`, in microseconds of source time."""

    wait: int = 0
    keep: int = 0

    def step(self, phase: Phase, at: int, *, active: bool) -> Phase:
        """Return the phase after a look at `at`; `active`: the detector's alert fires, or a floor is breached."""
        if active:
            since = at if phase.active_since is None else phase.active_since
            firing = phase.state is State.FIRING or at - since >= self.wait
            return Phase(State.FIRING if firing else State.PENDING, since)
        if phase.state is not State.FIRING:
            return Phase()
        recovered = at if phase.recovered_at is None else phase.recovered_at
        if at - recovered >= self.keep:
            return Phase()
        return Phase(State.FIRING, phase.active_since, recovered)
