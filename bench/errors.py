"""What can go wrong around a measurement, as opposed to in it."""

from streams.errors import FunnelproofError


class BenchError(FunnelproofError):
    """Something that is measured could not be set up; the message says what, and where to look."""
