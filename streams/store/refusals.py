"""The remedies for refusals of Postgres, by the kind of the error."""

import asyncpg

POOLER = (
    "a pooler before Postgres, as PgBouncer, hands out a session of another client: connect past the pooler, or set "
    "pool_mode = session and ignore_startup_parameters = idle_in_transaction_session_timeout in PgBouncer"
)
_GRANT = "grant the role the right, as `sql/roles.sql` does"
_AGAIN = "run the command again"
_POSTGRES = (
    (asyncpg.InsufficientPrivilegeError, _GRANT),
    (
        asyncpg.ReadOnlySQLTransactionError,
        (
            "the database takes no writes, as a standby or with default_transaction_read_only = on: have "
            "FUNNELPROOF_SOURCE_DSN and FUNNELPROOF_REPORT_DSN name a database that takes writes"
        ),
    ),
    (
        asyncpg.ObjectNotInPrerequisiteStateError,
        "have FUNNELPROOF_SOURCE_DSN and FUNNELPROOF_REPORT_DSN name a primary, no standby, and see the server's log",
    ),
    (asyncpg.InvalidCachedStatementError, f"a table was changed in the meantime: {_AGAIN}"),
    (asyncpg.InvalidSQLStatementNameError, POOLER),
    (asyncpg.DuplicatePreparedStatementError, POOLER),
    (
        (
            asyncpg.SyntaxOrAccessError,  # a table, column, function or operator that does not exist; a wrong type
            asyncpg.InvalidSchemaNameError,
            asyncpg.DataError,
        ),
        (
            "a table or a column is missing or has another type: give the CRM's table its former names and types back; "
            "`funnelproof migrate` makes what is missing in the schema funnelproof"
        ),
    ),
    (asyncpg.TransactionRollbackError, f"other transactions were in the way: {_AGAIN}"),
    (asyncpg.LockNotAvailableError, f"other transactions were in the way: {_AGAIN}"),
    (asyncpg.QueryCanceledError, f"raise the role's statement_timeout, then {_AGAIN}"),
    (asyncpg.InsufficientResourcesError, f"make room on the server, then {_AGAIN}"),
    (
        (
            asyncpg.PostgresConnectionError,
            asyncpg.OperatorInterventionError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ),
        f"the server stops or starts: {_AGAIN} once the server answers",
    ),
)
"""The remedy for each kind of Postgres error; of several that fit, the first counts."""


def remedy_of(error: Exception) -> str:
    """Return what to do about an error of asyncpg."""
    return next((remedy for kinds, remedy in _POSTGRES if isinstance(error, kinds)), "see the server's log")
