"""The reason why a connection to Postgres was not made, in one line with the remedy and never with the password."""

import ssl

import asyncpg

from streams.dsn import Dsn, check_dsn
from streams.errors import PreconditionError, SettingsError, UnreachableError, one_line
from streams.tls import mistrust

DRIVERS_ERRORS = (
    OSError,
    ValueError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""The errors that asyncpg raises. PASSING_ERRORS lists the errors after which work is tried again."""


def explain(
    error: Exception, dsn: str, setting: str, seconds: float
) -> SettingsError | UnreachableError | PreconditionError:
    """Return the error to raise instead of the driver's `error`, which may quote the password.

    `setting` is the full name of the setting with `dsn`, `seconds` the time after which a connection is given up.
    """
    try:
        address = Dsn.parse(check_dsn(dsn, files_are_here=True)).address
    except ValueError as problem:
        return SettingsError(f"{setting} {problem}")
    reason = f"no answer within {seconds:.0f} s" if isinstance(error, TimeoutError) else one_line(error)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return SettingsError(f"{setting} cannot be used: {reason}")
    if "unsupported startup parameter" in reason:
        return PreconditionError(
            f"the pooler at {address} refuses the session parameter {reason.rpartition(':')[2].strip()}: add it to "
            f"ignore_startup_parameters of PgBouncer, or have {setting} lead to Postgres itself"
        )
    return UnreachableError(_why(error, reason, address, setting))


def _why(error: Exception, reason: str, address: str, setting: str) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            why = f"Postgres at {address} ({setting}) {mistrust(error, f'sslrootcert in {setting}', setting)}"
        case ssl.SSLError():
            why = (
                f"no TLS connection to Postgres at {address} ({reason}): check sslrootcert, sslcert and sslkey in "
                f"{setting}"
            )
        case ConnectionError() if "rejected SSL upgrade" in reason:
            why = f"Postgres at {address} offers no TLS, and sslmode in {setting} demands TLS"
        case asyncpg.TargetServerAttributeNotMatched():
            why = f"no host of {address} is as target_session_attrs in {setting} demands"
        case (
            asyncpg.InvalidPasswordError()
            | asyncpg.InvalidAuthorizationSpecificationError()
            | asyncpg.InvalidCatalogNameError()
        ):
            why = (
                f"cannot reach Postgres at {address}, the server answers: {reason}. Check user, password, database "
                f"and sslmode in {setting}"
            )
        case _:
            why = f"cannot reach Postgres at {address} ({reason}): is it running, and does {setting} point at it?"
    return why
