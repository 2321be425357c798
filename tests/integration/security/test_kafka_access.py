"""A broker that is closed to a client says why: a setting is missing, a certificate or a password is wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streams.brokers import Brokers, Sasl
from streams.cdc.restatement import RestatementSender
from streams.cdc.topics import Topics
from streams.errors import PreconditionError, UnreachableError
from streams.tls import Tls
from tests.certificates import Authority
from tests.fronts import Front
from tests.integration.security.conftest import ADMIN, SECRET, Commands, SecuredKafka, Told

pytestmark = pytest.mark.xdist_group("secured_kafka")
LOG_IN = Sasl("PLAIN", ADMIN, SECRET)
PATIENCE = 2.0
"""Seconds after which a client gives up. No broker of these tests answers ever; the reason is asked for afterwards."""


async def refused(brokers: Brokers) -> str:
    """Return the one line that says why no broker answers."""
    with pytest.raises(UnreachableError) as raised:
        await Topics(brokers, timeout=PATIENCE).describe("nobodys")
    told = str(raised.value)
    assert "\n" not in told
    assert SECRET not in told
    return told


async def expect(reasons: dict[Brokers, str]) -> None:
    """Ask all at once."""
    told = await asyncio.gather(*map(refused, reasons))
    for line, reason in zip(told, reasons.values(), strict=True):
        assert reason in line, line


async def test_a_secured_broker_tells_what_it_wants(
    secured_kafka: SecuredKafka, authority: Authority, tmp_path: Path
) -> None:
    address, tls = secured_kafka.server.address, Tls(authority.file)
    await expect(
        {
            Brokers(address): "wants TLS: set FUNNELPROOF_KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL",
            Brokers(address, None, LOG_IN): "wants TLS",
            Brokers(address, tls): "may want a log-in: set FUNNELPROOF_KAFKA_SECURITY_PROTOCOL to SASL_SSL",
            Brokers(address, Tls(), LOG_IN): "certificate that is not trusted",
            Brokers(address, Tls(Authority(tmp_path).file), LOG_IN): "set FUNNELPROOF_KAFKA_SSL_CA",
            Brokers(address, tls, replace(LOG_IN, password="x")): "refuses the user or the password",  # noqa: S106 - a wrong one
            Brokers(
                address, tls, replace(LOG_IN, mechanism="SCRAM-SHA-256")
            ): "FUNNELPROOF_KAFKA_SASL_MECHANISM",
        }
    )
    assert await Topics(Brokers(address, tls, LOG_IN)).describe("nobodys") is None


@pytest.mark.thorough
async def test_a_broker_in_the_clear_tells_that_the_protocol_is_wrong(kafka: str) -> None:
    await expect(
        {
            Brokers(kafka, Tls(), LOG_IN): "does not speak SASL_SSL",
            Brokers(kafka, Tls()): "does not speak SSL",
            Brokers(kafka, None, LOG_IN): "does not speak SASL_PLAINTEXT",
        }
    )


@pytest.mark.thorough
async def test_a_certificate_that_has_expired_or_names_another_host_is_told_with_the_reason(
    kafka: str, authority: Authority, certificate: Path, fronts: Callable[[Front], int]
) -> None:
    host, _, port = kafka.partition(":")
    target, tls = (host, int(port)), Tls(authority.file)
    expired = fronts(Front(target, authority.issue("expired", "127.0.0.1", expired=True)))
    elsewhere = fronts(Front(target, authority.issue("elsewhere", "kafka.example")))
    closed = fronts(Front(target, certificate, clients=authority.file))
    await expect(
        {
            Brokers(f"127.0.0.1:{expired}", tls): "not trusted (certificate has expired)",
            Brokers(f"127.0.0.1:{elsewhere}", tls): "certificate is not valid for '127.0.0.1'",
            Brokers(f"127.0.0.1:{closed}", tls): "set FUNNELPROOF_KAFKA_SSL_CERT",
        }
    )


@pytest.mark.thorough
async def test_an_address_that_a_broker_gives_out_and_nobody_reaches_is_named(
    secured_kafka: SecuredKafka,
) -> None:
    told = await refused(Brokers(secured_kafka.astray))
    assert f"gives out the address {secured_kafka.unreachable}, which" in told


async def test_a_user_without_rights_is_told_so(secured_kafka: SecuredKafka, authority: Authority) -> None:
    settings = secured_kafka.settings
    user = Sasl("SCRAM-SHA-512", settings["KAFKA_SASL_USERNAME"], SECRET)
    brokers = Brokers(settings["KAFKA"], Tls(authority.file), user)
    with pytest.raises(PreconditionError, match=r"docs/security\.md lists the rights"):
        await Topics(brokers).ensure("forbidden", 1, {})
    sender = RestatementSender(brokers, "forbidden", "id", "nobodys")
    with pytest.raises(PreconditionError, match=r"Write on topic forbidden, .* id nobodys\.restatements"):
        await sender.shut_others_out()


@pytest.mark.thorough
def test_commands_tell_one_line_and_no_password(
    commands: Callable[[Commands], dict[str, Told]], secured_kafka: SecuredKafka, database: str
) -> None:
    settings = {"SOURCE_DSN": database, **secured_kafka.settings}
    wrong = settings | {"KAFKA_SASL_USERNAME": "nobody"}
    told = commands(
        {
            "log-in": ("connector apply", wrong),
            "worker": ("worker", wrong),
            "tls": ("worker", {"SOURCE_DSN": database, "KAFKA": settings["KAFKA"]}),
        }
    )
    for name, part in {
        "log-in": "refuses the user or the password",
        "worker": "refuses the user or the password",
        "tls": "wants TLS",
    }.items():
        assert told[name].status == 2, told[name]
        assert part in told[name].err, told[name]
        said = [line for line in told[name].err.splitlines() if not line.endswith(" s)")]  # every ten seconds
        assert len(said) == 1, told[name]
