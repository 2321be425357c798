"""The connector's configuration, made from the settings."""

import json
from string import Template
from urllib.parse import unquote, urlsplit

from streams.resources import schema
from streams.settings import Settings


def connector_config(settings: Settings) -> dict[str, str]:
    """Return the connector's configuration: `schemas/connectors/stage_state.json`, filled in from the settings."""
    dsn = urlsplit(settings.cdc_dsn or settings.source_dsn)
    values = {
        "host": dsn.hostname or "127.0.0.1",
        "port": str(dsn.port or 5432),
        "user": unquote(dsn.username or "postgres"),
        "password": unquote(dsn.password or ""),
        "database": unquote(dsn.path.lstrip("/")) or "postgres",
        "topic_prefix": settings.topic_prefix,
        "instance": settings.instance,
        "marker_prefix": settings.marker_prefix,
        "partitions": str(settings.partitions),
    }
    template: dict[str, str] = json.loads(schema("connectors/stage_state.json"))
    return {key: Template(value).substitute(values) for key, value in template.items()}
