"""How long property tests search: shortly in `make test`, deeper in `make check`, longest on demand."""

import os

from hypothesis import Phase, settings

QUICK, DEEP, LONG = "quick", "deep", "long"
UNSHRUNK = "unshrunk"
"""As `quick`, for programs that ask only whether a test fails: no failure is made small, which may take minutes."""
_PARTS = {QUICK: 5, DEEP: 2, LONG: 1}
"""By what the number of examples of the profile `long` is divided."""
_LONG, _LEAST = 150, 5

# In CI the examples are the same each time: a find that has nothing to do with a change does not hold the change up.
# The same examples find nothing new in the next run, so CI does not search as long as a person may.
IN_CI = "CI" in os.environ

for name, part in _PARTS.items():
    settings.register_profile(name, deadline=None, max_examples=_LONG // part, derandomize=IN_CI)
settings.register_profile(
    UNSHRUNK, settings.get_profile(QUICK), phases=set(Phase) - {Phase.shrink, Phase.explain}
)


def examples(long: int) -> int:
    """Return how many examples a test tries that tries `long` of them in the profile `long`; 5 is the least."""
    return max(long // _PARTS.get(settings.get_current_profile_name(), _PARTS[QUICK]), _LEAST)
