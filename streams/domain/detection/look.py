"""The findings of a look, and the needs of looks at a window that has ended."""

from dataclasses import dataclass

from streams.domain.detection.profile import Flags, Profile, Reals


@dataclass(frozen=True, slots=True)
class Look:
    """The findings of a look; a field has a value a pair."""

    fired: Flags
    resolved: Flags
    adopted: Flags
    """Resolved since the drop has become the normal level; only at a close."""
    log_e: Reals
    """Logarithms of the window's E-values (2, n); -inf where the E-values cannot matter."""
    log_recovery: Reals
    """Logarithm of the window's evidence for a recovery; -inf as for `log_e`, and where the rate has fallen by d."""
    log_evidence: Reals
    """Logarithm of the evidence, the window included; as `log_e`."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The needs of looks at a window that has ended: by age, see `Hypotheses`."""

    profile: Profile
    most: Reals
    least: Reals
    log_e: Reals
    """NaN where nothing was computed (2, 12, n)."""
    calm: dict[int, Look]
    """The looks at ages at which nothing happens, if no state changes before."""
