"""How long property tests search: shortly in `make test`, in depth in `make check`."""

from hypothesis import settings

QUICK, DEEP = "quick", "deep"
_SHARE = 5

settings.register_profile(QUICK, deadline=None, max_examples=30)
settings.register_profile(DEEP, deadline=None, max_examples=150)


def examples(deep: int) -> int:
    """Return how many examples a test tries that tries `deep` of them in the deep profile: a fifth in the quick one."""
    return deep if settings.get_current_profile_name() == DEEP else max(deep // _SHARE, 5)
