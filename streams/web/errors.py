"""The failures of requests, with the status of the answer."""

from streams.errors import FunnelproofError


class WebError(FunnelproofError):
    """A request that cannot be answered; `status` is the HTTP status, `field` the parameter at fault, if any."""

    status = 400

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class MalformedError(WebError):
    """A parameter has no usable form, for example a cursor that was cut."""


class UnknownError(WebError):
    """There is no such thing for this reader. The message is the same whether the thing exists for others or not."""

    status = 404


class SilentDatabaseError(WebError):
    """The report database does not answer, or took too long for a statement."""

    status = 503
