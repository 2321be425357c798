"""How long property tests search: shortly in `make test`, in depth in `make check`."""

import os

from hypothesis import Phase, settings

QUICK, DEEP = "quick", "deep"
UNSHRUNK = "unshrunk"
"""As `quick`, for programs that ask only whether a test fails: no failure is made small, which may take minutes."""
_SHARE = 5

# In CI the examples are the same each time: a find that has nothing to do with a change does not hold the change up.
IN_CI = "CI" in os.environ

settings.register_profile(QUICK, deadline=None, max_examples=30, derandomize=IN_CI)
settings.register_profile(DEEP, deadline=None, max_examples=150, derandomize=IN_CI)
settings.register_profile(
    UNSHRUNK, settings.get_profile(QUICK), phases=set(Phase) - {Phase.shrink, Phase.explain}
)


def examples(deep: int) -> int:
    """Return how many examples a test tries that tries `deep` of them in the deep profile: a fifth in the quick one."""
    return deep if settings.get_current_profile_name() == DEEP else max(deep // _SHARE, 5)
