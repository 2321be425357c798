"""The channels of a rule file: one for each receiver, and the topic."""

from streams.alerts.addresses import AlertmanagerReceiver, AppriseReceiver, Receiver
from streams.alerts.delivery.alertmanager import Alertmanager
from streams.alerts.delivery.channel import Channel
from streams.alerts.delivery.envelope import Envelopes
from streams.alerts.delivery.services import Service
from streams.alerts.delivery.topic import AlertTopic
from streams.alerts.delivery.webhook import Webhook
from streams.alerts.rules import Rules
from streams.cdc.event_producer import EventProducer
from streams.errors import SettingsError
from streams.settings import Settings


def open_channels(rules: Rules, settings: Settings, *, sender: str | None = None) -> list[Channel]:
    """Return a channel to each receiver. Raises SettingsError for an address that no service of Apprise knows.

    `sender` names a second sender to the topic, which must not shut out the evaluator's.
    """
    envelopes = Envelopes(settings.instance, settings.dashboard_url)
    producer = EventProducer(settings.brokers, settings.alerts_topic, sender)
    return [
        AlertTopic(producer, envelopes),
        *(_channel(name, receiver, settings, envelopes) for name, receiver in rules.receivers.items()),
    ]


def _channel(name: str, receiver: Receiver, settings: Settings, envelopes: Envelopes) -> Channel:
    if isinstance(receiver, AlertmanagerReceiver):
        url = receiver.alertmanager.get_secret_value()
        return Alertmanager(name, url, settings.instance, settings.dashboard_url)
    if isinstance(receiver, AppriseReceiver):
        try:
            return Service(name, receiver.apprise.get_secret_value(), settings.dashboard_url)
        except ValueError as error:
            raise SettingsError(f"the receiver {name} {error}") from None
    secrets = [secret.get_secret_value() for secret in receiver.secret]
    return Webhook(name, receiver.webhook.get_secret_value(), secrets, envelopes)
