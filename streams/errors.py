"""The errors that a user can meet; every message says what to do."""


def one_line(error: object) -> str:
    """Return the message of `error` in one line; the name of its type if the message is empty."""
    return " ".join(str(error).split()) or type(error).__name__


class FunnelproofError(Exception):
    """A failure that the message explains. The exit status is 2 unless a subclass says otherwise."""

    exit_status = 2


class SettingsError(FunnelproofError):
    """Settings are missing, unknown or malformed; the message lists every wrong setting."""


class UnreachableError(FunnelproofError):
    """A server does not answer; the message names the server and the setting of its address."""


class PreconditionError(FunnelproofError):
    """A server answers, but its set-up lacks something that funnelproof needs; the message names the fix."""


class ReportError(FunnelproofError):
    """The arguments of a report make no sense; nothing was written."""
