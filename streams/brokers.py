"""The way of the program's clients to Kafka: one description, in the words of each client library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from streams.tls import Tls

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class Sasl:
    """The name and password by which a client logs in, and the form of the log-in."""

    mechanism: Mechanism
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Brokers:
    """Kafka's bootstrap servers. With `tls` the connections are encrypted, with `sasl` the clients log in."""

    servers: str
    tls: Tls | None = None
    sasl: Sasl | None = None

    @property
    def protocol(self) -> Protocol:
        """The name that Kafka gives to the combination of TLS and SASL."""
        if self.tls is None:
            return "PLAINTEXT" if self.sasl is None else "SASL_PLAINTEXT"
        return "SSL" if self.sasl is None else "SASL_SSL"

    def confluent(self) -> dict[str, str | int]:
        """Return the settings of a confluent-kafka client."""
        settings: dict[str, str | int] = {
            "bootstrap.servers": self.servers,
            "security.protocol": self.protocol,
            "log_level": 0,  # errors are raised, too, and need not be on stderr
        }
        if self.sasl is not None:
            settings |= {
                "sasl.mechanism": self.sasl.mechanism,
                "sasl.username": self.sasl.username,
                "sasl.password": self.sasl.password,
            }
        if self.tls is not None:
            files = {
                "ssl.ca.location": self.tls.ca,
                "ssl.certificate.location": self.tls.certificate,
                "ssl.key.location": self.tls.key or self.tls.certificate,
                "ssl.key.password": self.tls.key_password,
            }
            settings |= {key: str(value) for key, value in files.items() if value is not None}
        return settings

    def aiokafka(self) -> Mapping[str, Any]:
        """Return the arguments of an aiokafka client."""
        arguments: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.protocol}
        if self.tls is not None:
            arguments["ssl_context"] = self.tls.context
        if self.sasl is not None:
            arguments |= {
                "sasl_mechanism": self.sasl.mechanism,
                "sasl_plain_username": self.sasl.username,
                "sasl_plain_password": self.sasl.password,
            }
        return arguments
