"""The settings by which Kafka and Kafka Connect are reached: addresses, credentials, certificates."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from streams.brokers import Brokers, Mechanism, Protocol, Sasl
from streams.tls import Tls, check_authority, check_identity


def _upper(value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
    return value.upper() if isinstance(value, str) else value


class Access(BaseSettings):
    """The settings of Kafka's and Connect's clients; a part of `streams.settings.Settings`."""

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

    @field_validator("kafka_ssl_ca")
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
    def brokers(self) -> Brokers:
        """The Kafka brokers, with all that a client needs to reach them."""
        tls = sasl = None
        if self.kafka_security_protocol in ("SSL", "SASL_SSL"):
            password = _shown(self.kafka_ssl_key_password)
            tls = Tls(self.kafka_ssl_ca, self.kafka_ssl_cert, self.kafka_ssl_key, password)
        if self.kafka_sasl_mechanism is not None:
            username, password = self.kafka_sasl_username or "", _shown(self.kafka_sasl_password) or ""
            sasl = Sasl(self.kafka_sasl_mechanism, username, password)
        return Brokers(self.kafka, tls, sasl)


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
