"""The brokers' limits on the session timeout of a consumer group."""

import asyncio
from datetime import timedelta

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigEntry, ConfigResource, ResourceType

from streams.brokers import Brokers
from streams.errors import SettingsError

_TIMEOUT = 10.0
_LEAST, _MOST = "group.min.session.timeout.ms", "group.max.session.timeout.ms"


async def check_session_timeout(brokers: Brokers, wanted: timedelta) -> None:
    """Raise SettingsError if a broker would refuse the session timeout `wanted`.

    Reading the limits needs the right to describe the cluster's configuration; a worker without that right passes.
    """
    admin = AdminClient(brokers.confluent())
    try:
        metadata = await asyncio.to_thread(admin.list_topics, timeout=_TIMEOUT)
        asked = admin.describe_configs(
            [ConfigResource(ResourceType.BROKER, str(broker)) for broker in metadata.brokers],
            request_timeout=_TIMEOUT,
        )
        told = [await asyncio.wrap_future(future) for future in asked.values()]
    except KafkaException:
        return
    for settings in told:
        least, most = _limit(settings.get(_LEAST)), _limit(settings.get(_MOST))
        if (least is not None and wanted < least) or (most is not None and wanted > most):
            raise SettingsError(
                f"FUNNELPROOF_SESSION_TIMEOUT is {_seconds(wanted)}, which Kafka does not allow: choose one between "
                f"{_seconds(least)} and {_seconds(most)} (the brokers' {_LEAST} and {_MOST})"
            )


def _limit(entry: ConfigEntry | None) -> timedelta | None:
    return None if entry is None or entry.value is None else timedelta(milliseconds=int(entry.value))


def _seconds(length: timedelta | None) -> str:
    return "any" if length is None else f"{length.total_seconds():g} s"
