from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from rich.console import Console

from streams.brokers import Brokers, Sasl
from streams.listening import HOST, free_ports
from streams.local import ports
from streams.local.connect import Connect
from streams.local.jars import JarCache
from streams.local.kafka import Kafka
from streams.local.server import Server
from streams.tls import Tls
from tests import last_use, programs
from tests.certificates import Authority
from tests.fronts import Front
from tests.integration.stream.installation import outside

SECRET = "s3cret:/@pass"  # noqa: S105 - must not be shown
QUOTED = "s3cret%3A%2F%40pass"
LOGIN = f"steward:{SECRET}"

FUNNELPROOF, CONNECT, ADMIN = "funnelproof", "connect", "admin"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


Commands = Mapping[str, tuple[str, Mapping[str, str]]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that everybody trusts in these tests. Its files can be read by every server."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Path:
    """The certificate of the servers on this machine."""
    return authority.issue("server", "127.0.0.1", "localhost")


@pytest.fixture
def fronts() -> Iterator[Callable[[Front], int]]:
    """Open fronts, and close them after the test; returns the port of each."""
    with ExitStack() as running:
        yield lambda front: running.enter_context(front.listening())


@pytest.fixture(scope="session")
def commands() -> Callable[[Commands], dict[str, Told]]:
    """Run commands at once, each with its settings; no output may hold the secret.

    The arguments are the commands and settings by a name that the test gives.
    """

    def run(commands: Commands) -> dict[str, Told]:
        def one(name: str) -> Told:
            command, settings = commands[name]
            environment = outside() | {f"FUNNELPROOF_{key}": value for key, value in settings.items()}
            done = programs.run(command.split(), environment)
            assert SECRET not in done.stdout + done.stderr, (name, done)
            assert QUOTED not in done.stdout + done.stderr, (name, done)
            return Told(done.returncode, done.stdout, done.stderr)

        with ThreadPoolExecutor(len(commands)) as pool:
            return dict(zip(commands, pool.map(one, commands), strict=True))

    return run


class SecuredKafka:
    """A broker whose listener is SASL_SSL. Its user `funnelproof` has the documented rights, and no others.

    A second listener, at `astray`, gives out the address `unreachable`, where nobody listens.
    """

    def __init__(self, folder: Path, authority: Authority, certificate: Path) -> None:
        self._authority = authority
        listener = "listener.name.sasl_ssl"
        known = [*ports.claim(folder / "ports.json", 2), *free_ports(2)]
        address, controller, self.astray, self.unreachable = [f"{HOST}:{port}" for port in known]
        self.server = Kafka(
            folder,
            JarCache(console=Console(quiet=True)),
            {
                "security.inter.broker.protocol": "SASL_SSL",
                "sasl.mechanism.inter.broker.protocol": "PLAIN",
                "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
                f"{listener}.plain.sasl.jaas.config": (
                    f'{_PLAIN} username="{ADMIN}" password="{SECRET}" user_{ADMIN}="{SECRET}" '
                    f'user_{CONNECT}="{SECRET}";'
                ),
                f"{listener}.scram-sha-512.sasl.jaas.config": _SCRAM,
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:{ADMIN};User:{CONNECT};User:ANONYMOUS",
                **pem_stores(authority, certificate),
                "listeners": f"SASL_SSL://{address},CONTROLLER://{controller},PLAINTEXT://{self.astray}",
                "advertised.listeners": f"SASL_SSL://{address},PLAINTEXT://{self.unreachable}",
                "listener.security.protocol.map": (
                    "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT"
                ),
            },
            self.as_admin,
        )

    def as_admin(self, servers: str) -> Brokers:
        return Brokers(servers, Tls(self._authority.file), Sasl("PLAIN", ADMIN, SECRET))

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an installation that uses this broker."""
        return {
            "KAFKA": self.server.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": FUNNELPROOF,
            "KAFKA_SASL_PASSWORD": SECRET,
            "KAFKA_SSL_CA": str(self._authority.file),
        }

    def admit(self) -> None:
        """Make the user `funnelproof`."""
        user = UserScramCredentialUpsertion(
            FUNNELPROOF, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), SECRET.encode()
        )
        admin = AdminClient(self.server.brokers.confluent())
        for future in admin.alter_user_scram_credentials([user]).values():
            future.result(20)

    def grant(self, instance: str, prefix: str) -> None:
        """Give the user `funnelproof` the rights that docs/security.md lists."""
        topic, group, transaction = (
            ResourceType.TOPIC,
            ResourceType.GROUP,
            ResourceType.TRANSACTIONAL_ID,
        )
        operation = AclOperation
        set_up = (
            operation.DESCRIBE,
            operation.DESCRIBE_CONFIGS,
            operation.CREATE,
            operation.ALTER_CONFIGS,
            operation.DELETE,
        )
        prefixed, literal = ResourcePatternType.PREFIXED, ResourcePatternType.LITERAL
        rights = [
            *((topic, f"{prefix}.", prefixed, each) for each in (*set_up, operation.READ)),
            *((topic, f"{instance}.", prefixed, each) for each in (*set_up, operation.WRITE)),
            (topic, f"__debezium-heartbeat.{prefix}", literal, operation.DELETE),
            (topic, f"__debezium-heartbeat.{prefix}", literal, operation.DESCRIBE),
            (topic, f"__debezium-heartbeat.{prefix}", literal, operation.DESCRIBE_CONFIGS),
            (group, instance, literal, operation.READ),
            (transaction, f"{instance}.facts", literal, operation.WRITE),
            (transaction, f"{instance}.restatements", literal, operation.WRITE),
            (topic, f"{prefix}.dyno_crm.deal_pipeline_stage_state", literal, operation.WRITE),
        ]
        bindings = [
            AclBinding(kind, name, pattern, f"User:{FUNNELPROOF}", "*", each, AclPermissionType.ALLOW)
            for kind, name, pattern, each in rights
        ]
        admin = AdminClient(self.server.brokers.confluent())
        for future in admin.create_acls(bindings).values():
            future.result(20)


def pem_stores(authority: Authority, certificate: Path | None) -> dict[str, str]:
    """Return Kafka's settings for PEM files: whom it trusts, and its own certificate."""
    own = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(certificate)} if certificate else {}
    return {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(authority.file), **own}


@pytest.fixture(scope="session")
def secured_kafka(
    authority: Authority,
    certificate: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[SecuredKafka]:
    kafka = SecuredKafka(tmp_path_factory.mktemp("secured-kafka"), authority, certificate)
    with last_use.of(request.config).keep("secured_kafka", _erased(kafka.server)):
        kafka.server.start()
        kafka.admit()
        yield kafka


@pytest.fixture(scope="session")
def secured_connect(
    secured_kafka: SecuredKafka,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Connect]:
    """A Connect worker that logs in to the secured broker, as docs/security.md says, and knows a file of secrets."""
    folder = tmp_path_factory.mktemp("secured-connect")
    access = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f'{_PLAIN} username="{CONNECT}" password="{SECRET}";',
        **pem_stores(authority, None),
    }
    connect = Connect(
        folder,
        JarCache(console=Console(quiet=True)),
        lambda: secured_kafka.server.address,
        {
            **{
                f"{client}{key}": value
                for client in ("", "producer.", "consumer.")
                for key, value in access.items()
            },
            "config.providers": "file",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        },
    )
    with last_use.of(request.config).keep("secured_connect", _erased(connect)):
        connect.start()
        yield connect


@contextmanager
def _erased(server: Server) -> Iterator[None]:
    """Leave nothing of a server behind."""
    try:
        yield
    finally:
        server.erase()


@pytest.fixture
def tls_dsn(database: str, certificate: Path, authority: Authority, fronts: Callable[[Front], int]) -> str:
    """The address of a database of this test's own behind TLS, with the certificate checked."""
    return behind_tls(database, fronts, certificate, authority.file)


def behind_tls(
    dsn: str, fronts: Callable[[Front], int], certificate: Path, authority: Path, client: Path | None = None
) -> str:
    """Put TLS before the server of `dsn`; return the address that checks certificate and host name.

    With `client` the server asks for a certificate of the authority, and the address has this one.
    """
    url = urlsplit(dsn)
    target, clients = (url.hostname or "", url.port or 5432), authority if client else None
    port = fronts(Front(target, certificate, postgres=True, clients=clients))
    query = f"sslmode=verify-full&sslrootcert={authority}"
    if client is not None:
        query += f"&sslcert={client.with_suffix('.crt')}&sslkey={client.with_suffix('.key')}"
    place = f"{url.username}:{url.password}@127.0.0.1:{port}"
    return url._replace(netloc=place, query=query).geturl()
