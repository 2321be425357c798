"""Postgres behind TLS, poolers and several hosts: a connection that is checked, or one line that says what is wrong."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streams.errors import FunnelproofError
from streams.store.database import connect
from tests.certificates import Authority
from tests.fronts import Front
from tests.integration.security.conftest import QUOTED, SECRET, Commands, Told, behind_tls

SETTING = "FUNNELPROOF_SOURCE_DSN"


async def refused(dsn: str) -> str:
    """Return the one line that says why there is no connection."""
    with pytest.raises(FunnelproofError) as raised:
        await connect(dsn, SETTING)
    told = str(raised.value)
    password = urlsplit(dsn).password
    assert SETTING in told
    assert "\n" not in told
    assert password is None or password not in told
    return told


async def test_a_connection_with_a_checked_certificate_works(tls_dsn: str) -> None:
    connection = await connect(tls_dsn, SETTING)
    assert await connection.fetchval("select 1") == 1
    await connection.close()


async def test_a_certificate_that_cannot_be_trusted_is_told_with_the_reason(
    database: str,
    authority: Authority,
    certificate: Path,
    fronts: Callable[[Front], int],
    tmp_path: Path,
) -> None:
    stranger = Authority(tmp_path)
    expired = authority.issue("expired", "127.0.0.1", expired=True)
    elsewhere = authority.issue("elsewhere", "db.example")
    for shown, trusted, reason in (
        (certificate, stranger.file, "unable to get local issuer certificate"),
        (expired, authority.file, "certificate has expired"),
        (elsewhere, authority.file, "certificate is not valid for '127.0.0.1'"),
    ):
        told = await refused(behind_tls(database, fronts, shown, trusted))
        assert "shows a certificate that is not trusted" in told
        assert reason in told, told


async def test_a_server_without_tls_is_told_from_an_absent_server(
    database: str, unused_tcp_port: int
) -> None:
    assert "offers no TLS, and sslmode" in await refused(f"{database}?sslmode=require")
    url = urlsplit(database)
    nobody = url._replace(netloc=f"me:{QUOTED}@127.0.0.1:{unused_tcp_port}").geturl()
    assert "is it running" in await refused(f"{nobody}?sslmode=require")


async def test_a_missing_file_is_named_with_its_parameter(database: str) -> None:
    told = await refused(f"{database}?sslmode=verify-full&sslrootcert=/nowhere/root.pem")
    assert "sslrootcert: /nowhere/root.pem cannot be read: No such file" in told


async def test_a_wrong_password_is_told_in_the_servers_words(database: str) -> None:
    url = urlsplit(database)
    wrong = url._replace(netloc=f"postgres:{QUOTED}@{url.hostname}:{url.port}").geturl()
    assert "password authentication failed" in await refused(wrong)
    assert "does not exist" in await refused(url._replace(path="/nobodys").geturl())


async def test_of_several_hosts_one_that_fits_is_used(database: str, unused_tcp_port: int) -> None:
    url = urlsplit(database)
    several = url._replace(
        netloc=f"{url.username}:{url.password}@127.0.0.1:{unused_tcp_port},{url.hostname}:{url.port}"
    ).geturl()
    connection = await connect(f"{several}?target_session_attrs=read-write", SETTING)
    await connection.close()
    told = await refused(f"{database}?target_session_attrs=standby")
    assert "no host of" in told
    assert "is as target_session_attrs" in told


async def test_a_pooler_that_knows_no_session_parameters_is_told_with_its_setting() -> None:
    """PgBouncer answers in these words to a start-up parameter outside of its list."""

    async def pooler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.readexactly(int.from_bytes(await reader.readexactly(4)) - 4)
        words = (
            b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: idle_in_transaction_session_timeout\0\0"
        )
        writer.write(b"E" + (len(words) + 4).to_bytes(4) + words)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(pooler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        told = await refused(f"postgresql://me:{QUOTED}@127.0.0.1:{port}/crm")
    assert "refuses the session parameter idle_in_transaction_session_timeout: add it to" in told


@pytest.mark.thorough
def test_commands_tell_one_line_and_no_password(
    commands: Callable[[Commands], dict[str, Told]],
    database: str,
    certificate: Path,
    fronts: Callable[[Front], int],
    tmp_path: Path,
) -> None:
    url = urlsplit(database)
    untrusted = behind_tls(
        url._replace(netloc=f"me:{QUOTED}@{url.hostname}:{url.port}").geturl(),
        fronts,
        certificate,
        Authority(tmp_path).file,
    )
    wrong = url._replace(netloc=f"me:{QUOTED}@{url.hostname}:{url.port}").geturl()
    cases = {
        "untrusted": ("migrate", {"SOURCE_DSN": untrusted}),
        "json": ("reconcile --json", {"SOURCE_DSN": wrong}),
        "wrong": ("reconcile", {"SOURCE_DSN": database, "REPORT_DSN": wrong}),
        "unreadable": ("worker", {"SOURCE_DSN": f"postgresql://me:{SECRET}@db/crm"}),
        "several": (
            "connector apply",
            {"SOURCE_DSN": f"postgresql://me:{QUOTED}@127.0.0.1:1,127.0.0.1:2/crm"},
        ),
        "socket": (
            "connector apply",
            {"SOURCE_DSN": f"postgresql:///crm?host=/nowhere&user=me&password={QUOTED}"},
        ),
    }
    told = commands(cases | {"status": ("status --json", {"SOURCE_DSN": wrong})})
    assert told["status"].status == 1
    assert "password authentication failed" in told["status"].out
    for name, part in {
        "untrusted": "shows a certificate that is not trusted",
        "json": "password authentication failed",
        "wrong": "FUNNELPROOF_REPORT_DSN",
        "unreadable": "FUNNELPROOF_SOURCE_DSN: is not an address",
        "several": "names several hosts",
        "socket": "leads to a local socket",
    }.items():
        assert told[name].status == 2, told[name]
        assert part in told[name].err, told[name]
        assert told[name].err.count("\n") == (2 if name == "unreadable" else 1), told[name]
