"""Test notifications: an alert that fires and is resolved at once, sent past the outbox to see that it arrives."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from streams.alerts.channels import open_channels
from streams.alerts.delivery.channel import Channel, Message, ReceiverError
from streams.alerts.rule_file import read_rules
from streams.alerts.rules import Rules
from streams.alerts.transition import Evidence, Step, Transition
from streams.errors import SettingsError
from streams.settings import Settings

REASON = "This is a test by `funnelproof alerts test`. Nothing has happened, and there is nothing to do."
_STEPS: Sequence[Step] = ("fired", "resolved")


@dataclass(frozen=True)
class Tried:
    """A receiver, and why the receiver did not take the test; None: both messages were taken."""

    receiver: str
    error: str | None


async def try_receivers(
    settings: Settings, rule: str | None, receiver: str | None, now: datetime
) -> AsyncIterator[Tried]:
    """Send a test to the receivers of a rule (None: of all rules), or to one receiver; yield each result.

    Nothing is stored. Raises WrongRulesError with every mistake of the rule file, SettingsError for a rule or receiver
    that the file does not have.
    """
    rules = read_rules(settings.alert_rules, settings.windows)
    channels = open_channels(rules, settings, sender="test")
    wanted = _wanted(rules, rule, receiver, [channel.name for channel in channels])
    alert_id = uuid4()  # both steps are of one alert, and no two tests are of the same
    test = [_transition(alert_id, step, rule, now) for step in _STEPS]
    for channel in channels:
        try:
            if channel.name in wanted:
                yield Tried(channel.name, await _try(channel, test, now))
        finally:
            await channel.close()


def _wanted(rules: Rules, rule: str | None, receiver: str | None, known: Sequence[str]) -> set[str]:
    names = [each.name for each in rules.rule]
    if rule is not None and rule not in names:
        raise SettingsError(f'no rule is called "{rule}": name one of {", ".join(names) or "a rule file"}')
    if receiver is not None and receiver not in known:
        raise SettingsError(f'no receiver is called "{receiver}": name one of {", ".join(known)}')
    if receiver is not None:
        return {receiver}
    return {to for each in rules.rule if rule in (None, each.name) for to in each.receivers}


def _transition(alert_id: UUID, step: Step, rule: str | None, now: datetime) -> Transition:
    return Transition(
        alert_id=alert_id,
        number=_STEPS.index(step) + 1,
        rule="test" if rule is None else f"test of {rule}",
        kind="health",  # an alert about funnelproof itself: no pipeline is named
        step=step,
        at=now,
        decided_at=now,
        severity="info",
        evidence=Evidence(reason=REASON),
    )


async def _try(channel: Channel, test: Sequence[Transition], now: datetime) -> str | None:
    """Send the steps one after the other; return the error of the first step that was not taken."""
    for transition in test:
        try:
            await channel.send(Message(transition.event_id, [transition], 0, now), now)
        except ReceiverError as error:
            return str(error)
    return None
