"""Every error a user can meet is one of these; its message says what to do."""


class FunnelproofError(Exception):
    """Something went wrong that the message explains. Exit status 2 unless a subclass says otherwise."""

    exit_status = 2


class SettingsError(FunnelproofError):
    """One or more settings are missing, unknown or malformed; the message lists every one of them."""


class UnreachableError(FunnelproofError):
    """A server does not answer; the message names it and the setting that points at it."""


class PreconditionError(FunnelproofError):
    """A server answers but is not set up as funnelproof needs it; the message names the fix."""


class ReportError(FunnelproofError):
    """A report was asked for with arguments that make no sense; nothing was written."""
