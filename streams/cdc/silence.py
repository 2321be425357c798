"""The reason why Kafka does not answer: a client's library waits in silence, one more connection tells the reason."""

import asyncio
import ssl

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.brokers import Brokers
from streams.errors import UnreachableError
from streams.tls import mistrust, tls_error

_SECONDS = 2.0
_PROTOCOL = "FUNNELPROOF_KAFKA_SECURITY_PROTOCOL"
_CREDENTIALS = "FUNNELPROOF_KAFKA_SASL_USERNAME and FUNNELPROOF_KAFKA_SASL_PASSWORD"


async def why_silent(brokers: Brokers) -> UnreachableError:
    """Return the error to raise when no broker answers a request: one line with the reason and the setting.

    The bootstrap servers are asked one after the other; the first reason that is more than an absent server counts.
    """
    for host, port, _ in collect_hosts(brokers.servers, randomize=False):
        reason: str | None
        try:
            async with asyncio.timeout(_SECONDS):
                given_out = await _ask(brokers, host, port)
            reason = await _why_out_of_reach(given_out)
        except TimeoutError:
            reason = await _why_no_answer(brokers, host, port)
        except (OSError, KafkaError) as error:
            reason = await _why_refused(error, brokers, host, port)
        if reason:
            return UnreachableError(f"the Kafka broker at {host}:{port} {reason}")
    return no_broker(brokers)


def no_broker(brokers: Brokers) -> UnreachableError:
    """Return the error to raise when nothing answers at the addresses of `brokers`."""
    return UnreachableError(
        f"no Kafka broker answers at {brokers.servers}: start it, or set FUNNELPROOF_KAFKA"
    )


async def _ask(brokers: Brokers, host: str, port: int) -> list[tuple[str, int]]:
    """Return the addresses of the cluster's brokers, as the broker at `host` and `port` gives them out."""
    arguments = {key: value for key, value in brokers.aiokafka().items() if key != "bootstrap_servers"}
    connection: AIOKafkaConnection = await create_conn(host, port, **arguments)
    try:
        answer = await connection.send(MetadataRequest([]))
        return [(address, place) for _, address, place, *_ in answer.brokers]
    finally:
        connection.close()


async def _why_refused(error: Exception, brokers: Brokers, host: str, port: int) -> str | None:
    """Return what the broker does, as the end of a sentence; None if the broker is absent."""
    reason: str | None
    match tls_error(error) or error:
        case ssl.SSLCertVerificationError() as wrong:
            reason = mistrust(wrong, "FUNNELPROOF_KAFKA_SSL_CA", "FUNNELPROOF_KAFKA")
        case ssl.SSLError() as wrong if "ALERT" in (wrong.reason or ""):
            reason = (
                f"refuses this client's certificate ({wrong.reason}): set FUNNELPROOF_KAFKA_SSL_CERT and "
                "FUNNELPROOF_KAFKA_SSL_KEY"
            )
        case ssl.SSLError() | IllegalSaslStateError():
            reason = f"does not speak {brokers.protocol}: set {_PROTOCOL} to the protocol of its listener"
        case UnsupportedSaslMechanismError() as wrong:
            reason = f"does not know this log-in: set FUNNELPROOF_KAFKA_SASL_MECHANISM ({wrong})"
        case SaslAuthenticationFailed():
            reason = f"refuses the user or the password: set {_CREDENTIALS}"
        case KafkaConnectionError() | ConnectionResetError():
            reason = await _why_closed(brokers, host, port)
        case _:
            reason = None
    return reason


async def _why_closed(brokers: Brokers, host: str, port: int) -> str:
    encrypted = await _speaks_tls(host, port)
    if encrypted and brokers.tls is None:
        return f"closes the connection during the handshake, it wants TLS: set {_PROTOCOL} to SSL or SASL_SSL"
    if brokers.tls is not None and not encrypted:
        return f"does not speak {brokers.protocol}: set {_PROTOCOL} to the protocol of its listener"
    if brokers.sasl is not None:
        return f"closes the connection: is {_PROTOCOL}={brokers.protocol} the protocol of its listener?"
    if encrypted:
        return (
            f"closes the connection, it may want a log-in: set {_PROTOCOL} to SASL_SSL, or set "
            "FUNNELPROOF_KAFKA_SSL_CERT to a certificate of this client"
        )
    return f"closes the connection, it may want a log-in: set {_PROTOCOL} to SASL_PLAINTEXT"


async def _why_out_of_reach(given_out: list[tuple[str, int]]) -> str:
    for host, port in given_out:
        try:
            async with asyncio.timeout(_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
        except OSError:
            return (
                f"gives out the address {host}:{port}, which this machine does not reach: see advertised.listeners in "
                "the broker's configuration"
            )
    return "answers again, but a request has failed: is it starting, or has it too much to do?"


async def _why_no_answer(brokers: Brokers, host: str, port: int) -> str | None:
    """Return what a server does that accepts connections and stays silent; None if nobody accepts a connection."""
    if brokers.tls is None and await _speaks_tls(host, port):
        return f"wants TLS: set {_PROTOCOL} to SSL or SASL_SSL"
    return None


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except OSError:
        return False
    writer.close()
    return True
