"""A failure that a server or a user made is a line with a remedy, whatever raised it."""

import ssl

import aiokafka.errors
import asyncpg
import confluent_kafka
import httpx
import pytest

from streams.errors import PreconditionError
from streams.operations.failures import explain, explained

CASES: list[tuple[BaseException, str, str]] = [
    (
        asyncpg.InsufficientPrivilegeError("permission denied for schema dyno_crm"),
        "Postgres refused: permission denied for schema dyno_crm",
        "sql/roles.sql",
    ),
    (
        asyncpg.ReadOnlySQLTransactionError("cannot execute CREATE TABLE in a read-only transaction"),
        "Postgres refused: cannot execute CREATE TABLE",
        "takes writes",
    ),
    (
        asyncpg.ObjectNotInPrerequisiteStateError("recovery is in progress"),
        "Postgres refused: recovery is in progress",
        "a primary",
    ),
    (
        asyncpg.UndefinedColumnError('column "entered_at" does not exist'),
        'Postgres refused: column "entered_at" does not exist',
        "former names and types",
    ),
    (
        asyncpg.UndefinedFunctionError("operator does not exist: bigint = uuid"),
        "Postgres refused: operator does not exist",
        "former names and types",
    ),
    (
        asyncpg.DataError("invalid input for query argument $1"),
        "Postgres refused: invalid input",
        "former names and types",
    ),
    (
        asyncpg.InvalidCachedStatementError("cached statement plan is invalid"),
        "Postgres refused",
        "run the command",
    ),
    (
        asyncpg.DuplicatePreparedStatementError("already exists"),
        "Postgres refused: already exists",
        "pool_mode",
    ),
    (asyncpg.InvalidSQLStatementNameError("does not exist"), "Postgres refused: does not exist", "pool_mode"),
    (asyncpg.ConnectionDoesNotExistError("gone"), "Postgres refused: gone", "once the server answers"),
    (
        asyncpg.InterfaceError("connection is closed"),
        "Postgres refused: connection is closed",
        "run the command",
    ),
    (asyncpg.DiskFullError("no space left"), "Postgres refused: no space left", "make room"),
    (asyncpg.QueryCanceledError("canceling statement"), "Postgres refused: canceling", "statement_timeout"),
    (
        confluent_kafka.KafkaException(
            confluent_kafka.KafkaError(confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED)
        ),
        "Kafka refused",
        "grant the user the rights",
    ),
    (aiokafka.errors.KafkaConnectionError("no broker"), "Kafka refused", "FUNNELPROOF_KAFKA"),
    (httpx.ConnectError("refused"), "Kafka Connect cannot be asked (refused)", "FUNNELPROOF_CONNECT_URL"),
    (ssl.SSLCertVerificationError("certificate has expired"), "TLS failed", "certificates"),
    (TimeoutError(), "a server did not answer in time", "funnelproof status"),
    (
        PermissionError(13, "Permission denied", "/state"),
        "the operating system refused",
        "Permission denied: /state",
    ),
    (
        ModuleNotFoundError("No module named 'psutil'", name="psutil"),
        "the embedded servers are not installed",
        "pip install 'funnelproof[local]'",
    ),
    (PreconditionError("run `funnelproof migrate`"), "run `funnelproof migrate`", ""),
    (ExceptionGroup("two", [asyncpg.InterfaceError("gone"), ValueError()]), "Postgres refused: gone", ""),
]


@pytest.mark.parametrize(("error", "begin", "remedy"), CASES, ids=[type(case[0]).__name__ for case in CASES])
def test_a_failure_is_one_line_with_a_remedy(error: BaseException, begin: str, remedy: str) -> None:
    line = explain(error)
    assert line.startswith(begin)
    assert remedy in line
    assert "\n" not in line


def test_what_postgres_adds_is_in_the_line_too() -> None:
    error = asyncpg.UndefinedColumnError('column "a" does not exist\nHINT:  Perhaps you meant "b".')
    assert 'Perhaps you meant "b".' in explain(error)
    assert "\n" not in explain(error)


def test_a_defect_is_called_a_defect_and_names_its_place() -> None:
    def fail() -> None:
        raise KeyError("partition")

    with pytest.raises(KeyError) as raised:
        fail()
    assert explained(raised.value) is None
    line = explain(raised.value)
    assert line.startswith("a defect of funnelproof, KeyError in test_failures.py, line ")
    assert "funnelproof --debug" in line
