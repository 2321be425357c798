"""Receivers of a rule file: where alerts are sent."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from streams.alerts.secrets import ServiceAddress, SigningSecret, WebAddress

KAFKA = "kafka"
"""The receiver of every installation: the topic `<instance>.alerts`."""


class _Receiver(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AppriseReceiver(_Receiver):
    """A service that Apprise can reach: chat, mail, pager."""

    apprise: ServiceAddress = Field(description="the service's address in the form of Apprise")


class AlertmanagerReceiver(_Receiver):
    """A Prometheus Alertmanager, reached by its API v2."""

    alertmanager: WebAddress = Field(description="Alertmanager's address, without /api/v2")


def _several(value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
    return value if isinstance(value, list | tuple) else [value]


def _one_or_two(secrets: tuple[Any, ...]) -> tuple[Any, ...]:
    if not 1 <= len(secrets) <= 2:
        raise ValueError("is no secret and no list of two: give one, or two while one replaces the other")
    return secrets


class WebhookReceiver(_Receiver):
    """An address that takes CloudEvents, signed as Standard Webhooks.

    While a secret is exchanged for another one, two secrets are given, and each message has two signatures.
    """

    webhook: WebAddress = Field(description="the address that takes POST requests")
    secret: Annotated[
        tuple[SigningSecret, ...],
        BeforeValidator(_several, json_schema_input_type=str | list[str]),
        AfterValidator(_one_or_two),
    ] = Field(description="the secret of the signatures; two secrets while one replaces the other")


RECEIVERS: Mapping[str, type[_Receiver]] = {
    "apprise": AppriseReceiver,
    "alertmanager": AlertmanagerReceiver,
    "webhook": WebhookReceiver,
}


def _kind(given: Any) -> str | None:  # noqa: ANN401 - a discriminator is given whatever was written
    if isinstance(given, Mapping):
        kinds = [kind for kind in RECEIVERS if kind in given]
    else:
        kinds = [kind for kind, model in RECEIVERS.items() if isinstance(given, model)]
    return kinds[0] if len(kinds) == 1 else None


Receiver = Annotated[
    Annotated[AppriseReceiver, Tag("apprise")]
    | Annotated[AlertmanagerReceiver, Tag("alertmanager")]
    | Annotated[WebhookReceiver, Tag("webhook")],
    Discriminator(
        _kind,
        custom_error_type="receiver",
        custom_error_message="give the receiver exactly one of the keys apprise, alertmanager and webhook",
    ),
]
