"""The whole way secured: certificates on both sides to Postgres, TLS and a log-in to Kafka and to Connect."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from streams.cdc.connect_api import Connect as ConnectApi
from streams.local.connect import Connect
from tests.certificates import Authority
from tests.fronts import Front
from tests.integration.security.conftest import LOGIN, QUOTED, SECRET, SecuredKafka, behind_tls
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import installed

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(400), pytest.mark.xdist_group("secured_kafka")]

CLOSED = """
select count(*) = 2 and bool_and(entered_count = 2) and bool_and(completeness = 'proven')
from dyno_crm.stage_conversion_current
where pipeline_id = $1 and window_name = '3s' and window_start = $2 and from_stage in ('a', 'b')
"""


@dataclass(frozen=True)
class SecuredServers:
    """The addresses of servers that let nobody in without TLS."""

    postgres_dsn: str
    kafka: str
    connect_url: str


async def test_windows_close_proven_with_every_connection_secured(
    postgres_dsn: str,
    template: str,
    secured_kafka: SecuredKafka,
    secured_connect: Connect,
    authority: Authority,
    certificate: Path,
    fronts: Callable[[Front], int],
    tmp_path: Path,
) -> None:
    name = f"secured_{uuid4().hex[:8]}"
    password = urlsplit(postgres_dsn).password or ""
    secrets = tmp_path / "cdc.properties"
    secrets.write_text(f"password={password}\n", "utf-8")
    url = urlsplit(secured_connect.address)
    port = fronts(Front((url.hostname or "", url.port or 0), certificate, login=LOGIN))
    servers = SecuredServers(
        behind_tls(postgres_dsn, fronts, certificate, authority.file, authority.issue("client", "me")),
        secured_kafka.server.address,
        f"https://{quote(LOGIN, safe=':')}@127.0.0.1:{port}",
    )
    prefix = f"crm_{name}"
    secured_kafka.grant(name, prefix)
    async with installed(
        servers,
        template,
        tmp_path,
        name,
        WINDOWS="3s,1h",
        TOPIC_PREFIX=prefix,
        CONNECT_CA=str(authority.file),
        CDC_DSN=_for_java(servers.postgres_dsn, name),
        CDC_PASSWORD_REFERENCE=f"${{file:{secrets}:password}}",
        **secured_kafka.settings,
    ) as installation:
        known = await ConnectApi(installation.settings).call("GET", f"/connectors/{name}/config")
        assert known["database.password"] == f"${{file:{secrets}:password}}"
        assert known["database.sslmode"] == "verify-full"
        crm, funnel = installation.connection, Funnel()
        await funnel.create(crm)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        start = await installation.next_window()
        await funnel.enter_two_deals(crm, start)
        await installation.wait_until(CLOSED, funnel.pipeline, start)
        status, found = await asyncio.to_thread(installation.reconcile)
        assert (status, found["outcome"]) == (0, "equal"), found
        told = await asyncio.to_thread(installation.run, "status", "--json")
        assert (told.returncode, json.loads(told.stdout)["completeness"]) == (0, "proven"), told.stdout
        await installation.wait_until("select not exists (select from funnelproof.outbox)")
        await crm.execute(
            "insert into dyno_crm.deal_pipeline_stage_state "
            "(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at) "
            "values (gen_random_uuid(), $1, gen_random_uuid(), $2, gen_random_uuid(), 'infinity')",
            *(funnel.tenant, funnel.pipeline),
        )
        await installation.wait_until(
            "select exists (select from funnelproof.dead_letter where published_at is not null)"
        )
        retried = await asyncio.to_thread(installation.run, "dead-letters", "retry")
        assert (retried.returncode, "refused" in retried.stdout) == (1, True), retried.stderr
        assert await worker.stop() == 0
        for output in (worker.log(10_000), told.stdout, told.stderr, json.dumps(found), retried.stdout):
            for secret in (SECRET, QUOTED, password):
                assert secret not in output


def _for_java(dsn: str, database: str) -> str:
    """Return the address of `database` for the connector: another form of the key, and no password."""
    url = urlsplit(dsn)
    place = f"{url.username}@{url.hostname}:{url.port}"
    query = url.query.replace(".key", ".pk8")
    return url._replace(netloc=place, path=f"/{database}", query=query).geturl()
