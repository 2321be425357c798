"""The settings by which Postgres, Kafka and Kafka Connect are reached: addresses, credentials, certificates."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from streams.brokers import Brokers, Mechanism, Protocol, Sasl
from streams.dsn import Dsn, check_dsn
from streams.tls import Tls, check_authority, check_identity


def _upper(value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
    return value.upper() if isinstance(value, str) else value


class Access(BaseSettings):
    """The settings of the clients of Postgres, Kafka and Connect; a part of `streams.settings.Settings`."""

    source_dsn: str = Field(
        "postgresql://postgres@127.0.0.1:5432/postgres",
        description="the CRM's database, as a postgresql:// URL",
    )
    report_dsn: str | None = Field(None, description="the database of the facts; default: the CRM's database")
    replica_dsn: str | None = Field(
        None,
        description="a streaming replica of the CRM's database, which `reconcile` reads; default: SOURCE_DSN",
    )
    cdc_dsn: str | None = Field(
        None,
        description="the CRM's database for Kafka Connect, with a replication role; default: SOURCE_DSN",
    )
    cdc_password_reference: str | None = Field(
        None,
        pattern=r"^\$\{[^{}:]+:[^{}]+\}$",
        description="Connect's own reference to the password, for example ${file:/secrets/cdc.properties:password}",
    )
    dashboard_dsn: str | None = Field(
        None,
        description="the database of the facts for the page, with the role funnelproof_web; default: REPORT_DSN",
    )
    deals_dsn: str | None = Field(
        None,
        description="the CRM's database or a replica, for the page's deals, with the role funnelproof_deals",
    )
    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma-separated")
    kafka_security_protocol: Annotated[Protocol, BeforeValidator(_upper)] = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, as the brokers' listener"
    )
    kafka_sasl_mechanism: Annotated[Mechanism | None, BeforeValidator(_upper)] = Field(
        None, validate_default=True, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_sasl_username: str | None = Field(
        None, validate_default=True, description="the user that logs in to Kafka"
    )
    kafka_sasl_password: SecretStr | None = Field(
        None, validate_default=True, description="the password of the user"
    )
    kafka_ssl_ca: Path | None = Field(
        None,
        description="PEM file of the authority of the brokers' certificates; default: the machine's own list",
    )
    kafka_ssl_key_password: SecretStr | None = Field(None, description="the password of KAFKA_SSL_KEY")
    kafka_ssl_key: Path | None = Field(
        None, description="PEM file of the client's key; default: KAFKA_SSL_CERT holds the key, too"
    )
    kafka_ssl_cert: Path | None = Field(
        None,
        validate_default=True,
        description="PEM file of the client's certificate, where the brokers ask for one",
    )
    connect_url: str = Field("http://127.0.0.1:8083", description="Kafka Connect's REST address")
    connect_username: str | None = Field(
        None, description="the user of Connect's REST interface (HTTP basic)"
    )
    connect_password: SecretStr | None = Field(
        None, validate_default=True, description="the password of CONNECT_USERNAME"
    )
    connect_ca: Path | None = Field(
        None,
        description="PEM file of the authority of Connect's certificate; default: the machine's own list",
    )

    @field_validator("source_dsn", "report_dsn", "replica_dsn", "deals_dsn")
    @classmethod
    def _known_here(cls, value: str | None) -> str | None:
        return value if value is None else check_dsn(value, files_are_here=True)

    @field_validator("cdc_dsn")
    @classmethod
    def _known_to_connect(cls, value: str | None) -> str | None:
        return value if value is None else check_dsn(value, files_are_here=False)

    @field_validator("cdc_password_reference")
    @classmethod
    def _only_password(cls, value: str | None, info: ValidationInfo) -> str | None:
        cdc_dsn = info.data.get("cdc_dsn")
        if value is not None and cdc_dsn is not None and Dsn.parse(cdc_dsn).password is not None:
            raise ValueError("stands beside a password in FUNNELPROOF_CDC_DSN: leave one of the two out")
        return value

    @field_validator("kafka_sasl_mechanism", "kafka_sasl_username", "kafka_sasl_password")
    @classmethod
    def _with_sasl(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol")
        if value is None and protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
            raise ValueError(f"is missing, FUNNELPROOF_KAFKA_SECURITY_PROTOCOL={protocol} needs it")
        if value is not None and protocol in ("PLAINTEXT", "SSL"):
            raise ValueError(
                f"has no effect with FUNNELPROOF_KAFKA_SECURITY_PROTOCOL={protocol}: set SASL_PLAINTEXT or SASL_SSL"
            )
        return value

    @field_validator("kafka_ssl_ca", "kafka_ssl_cert", "kafka_ssl_key", "kafka_ssl_key_password")
    @classmethod
    def _with_tls(cls, value: object, info: ValidationInfo) -> object:
        protocol = info.data.get("kafka_security_protocol")
        if value is not None and protocol in ("PLAINTEXT", "SASL_PLAINTEXT"):
            raise ValueError(
                f"has no effect with FUNNELPROOF_KAFKA_SECURITY_PROTOCOL={protocol}: set SSL or SASL_SSL"
            )
        return value

    @field_validator("connect_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            readable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            readable = False
        if not readable or value.count("@") > 1 or "@" in url.path + url.query + url.fragment:
            raise ValueError(
                "is not an address: write it as http://host:8083, with special characters of a password percent-encoded"
            )
        return value.rstrip("/")

    @field_validator("connect_username")
    @classmethod
    def _only_user(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and urlsplit(info.data.get("connect_url", "")).username:
            raise ValueError("stands beside a user in FUNNELPROOF_CONNECT_URL: leave one of the two out")
        return value

    @field_validator("connect_password")
    @classmethod
    def _belongs_to_user(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if "connect_username" in info.data and (value is None) != (info.data["connect_username"] is None):
            raise ValueError("and FUNNELPROOF_CONNECT_USERNAME need each other")
        return value

    @field_validator("connect_ca")
    @classmethod
    def _with_https(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("connect_url", "https:").startswith("http:"):
            raise ValueError(
                "has no effect with an http:// address in FUNNELPROOF_CONNECT_URL: write https://"
            )
        return value

    @field_validator("kafka_ssl_ca", "connect_ca")
    @classmethod
    def _is_authority(cls, value: Path | None) -> Path | None:
        if value is not None:
            check_authority(value)
        return value

    @field_validator("kafka_ssl_cert")
    @classmethod
    def _is_identity(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        key, password = info.data.get("kafka_ssl_key"), info.data.get("kafka_ssl_key_password")
        if value is not None:
            check_identity(Tls(None, value, key, _shown(password)))
        elif key is not None:
            raise ValueError("is missing, the certificate of FUNNELPROOF_KAFKA_SSL_KEY")
        return value

    @property
    def facts_dsn(self) -> str:
        """The database of the facts: `report_dsn`, or the CRM's database."""
        return self.report_dsn or self.source_dsn

    @property
    def brokers(self) -> Brokers:
        """The Kafka brokers, and a client's means to reach the brokers."""
        tls = sasl = None
        if self.kafka_security_protocol in ("SSL", "SASL_SSL"):
            password = _shown(self.kafka_ssl_key_password)
            tls = Tls(self.kafka_ssl_ca, self.kafka_ssl_cert, self.kafka_ssl_key, password)
        if self.kafka_sasl_mechanism is not None:
            username, password = self.kafka_sasl_username or "", _shown(self.kafka_sasl_password) or ""
            sasl = Sasl(self.kafka_sasl_mechanism, username, password)
        return Brokers(self.kafka, tls, sasl)

    @property
    def connect_credentials(self) -> tuple[str, str] | None:
        """User and password of Connect's REST interface; None if none are given."""
        if self.connect_username is not None:
            return self.connect_username, _shown(self.connect_password) or ""
        url = urlsplit(self.connect_url)
        return None if url.username is None else (unquote(url.username), unquote(url.password or ""))

    @property
    def connect_address(self) -> str:
        """Connect's REST address without user and password."""
        url = urlsplit(self.connect_url)
        return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


def check_link(value: str) -> str:
    """Return an address for links, without a slash at its end. Raises ValueError if nobody can follow the address."""
    try:
        url = urlsplit(value)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        usable = False
    if not usable or url.username or url.query or url.fragment or any(each.isspace() for each in value):
        raise ValueError("is no address for links: write it as https://host, without user and question mark")
    return value.rstrip("/")


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
