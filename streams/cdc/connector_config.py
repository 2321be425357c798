"""The connector's configuration, made from the settings."""

import json
import re
from collections.abc import Iterator, Mapping
from string import Template

from streams.dsn import Dsn
from streams.errors import SettingsError
from streams.resources import schema
from streams.settings import Settings

_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")
"""The parameters of a Postgres address that Debezium has, too, as `database.<name>`."""
_WITHOUT_MEANING = {"application_name", "target_session_attrs"}
"""The parameters without a meaning for a connection to one host that must be the primary."""
_FILTERS = ("column.", "predicates", "schema.", "table.", "transforms")
"""The beginnings of settings that choose, change or route events: one that is not of the template is a fault."""
_CAPTURE = (
    *_FILTERS,
    "connector.class",
    "exactly.once.support",
    "key.converter",
    "message.",
    "offset.mismatch.strategy",
    "plugin.name",
    "publication.name",
    "skipped.operations",
    "slot.name",
    "tombstones.on.delete",
    "topic.prefix",
    "value.converter",
)
"""The beginnings of settings without which the log would lack changes."""
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # Debezium's own rule


def connector_config(settings: Settings) -> dict[str, str]:
    """Return the connector's configuration: `schemas/connectors/stage_state.json`, filled in from the settings.

    Raises SettingsError if Debezium cannot connect as the settings say.
    """
    dsn = Dsn.parse(settings.cdc_dsn or settings.source_dsn)
    for problem in _problems(dsn):
        if settings.cdc_dsn is None:
            raise SettingsError(
                f"FUNNELPROOF_SOURCE_DSN {problem}: set FUNNELPROOF_CDC_DSN to the same database, written for Kafka "
                "Connect"
            )
        raise SettingsError(f"FUNNELPROOF_CDC_DSN {problem}")
    values = {
        "host": dsn.hosts[0],
        "port": str(dsn.ports[0]),
        "user": dsn.user or "",
        "password": settings.cdc_password_reference or dsn.password or "",
        "database": dsn.database or dsn.user or "",
        **_names(settings),
    }
    return _filled(values) | _tls(dsn)


def configuration_faults(running: Mapping[str, str], settings: Settings) -> list[str]:
    """Return the settings by which a running connector leaves changes out, or sends changes to other places.

    Credentials, addresses and tuning may differ from the settings here: they lose nothing.
    """
    wanted = {key: value for key, value in _filled(_names(settings)).items() if key.startswith(_CAPTURE)}
    if "column.include.list" not in running:  # all columns: funnelproof's are among them
        wanted.pop("column.include.list", None)
    keys = wanted.keys() | {key for key in running if key.startswith(_FILTERS)}
    return [
        f"{key} is {running.get(key)!r}, not {wanted.get(key)!r}"
        for key in sorted(keys)
        if running.get(key) != wanted.get(key)
    ]


def _names(settings: Settings) -> dict[str, str]:
    return {
        "topic_prefix": settings.topic_prefix,
        "instance": settings.instance,
        "marker_prefix": settings.marker_prefix,
        "partitions": str(settings.partitions),
    }


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    """Return the entries of the template, filled in; an entry of an unknown value stays as the template has it."""
    template: dict[str, str] = json.loads(schema("connectors/stage_state.json"))
    return {key: Template(value).safe_substitute(values) for key, value in template.items()}


def _problems(dsn: Dsn) -> Iterator[str]:
    if not dsn.hosts or dsn.hosts[0].startswith("/"):
        yield "leads to a local socket, and Debezium connects by host name and port"
    if len(dsn.hosts) > 1:
        yield "names several hosts, and Debezium takes one: a name or a proxy that leads to the primary"
    for host in dsn.hosts:
        if ":" in host:
            yield "names an IPv6 address, and Debezium takes a host name or an IPv4 address"
        elif not _NAME.fullmatch(host):
            yield f"names the host {host}, and Debezium takes letters, digits, dots, hyphens and underscores"
    if dsn.user is None:
        yield "names no user, and Debezium needs one"
    if others := sorted(dsn.parameters.keys() - set(_TLS) - _WITHOUT_MEANING):
        yield f"has the parameter {', '.join(others)}, which Debezium cannot take"


def _tls(dsn: Dsn) -> dict[str, str]:
    """Return the connector's TLS settings. The paths are paths on the machine of Kafka Connect."""
    found = {f"database.{name}": dsn.parameters[name] for name in _TLS if name in dsn.parameters}
    # With an authority, `require` checks the certificate in Postgres' own library, but not in Debezium's.
    if found.get("database.sslmode") == "require" and "database.sslrootcert" in found:
        found["database.sslmode"] = "verify-ca"
    return found
