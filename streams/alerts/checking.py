"""A rule file, checked against an installation."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.alerts.rule_file import read_rules
from streams.alerts.rules import BelowRule, Rule
from streams.alerts.scope import Coverage, Funnels, cover, read_funnels
from streams.alerts.threshold import threshold
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.installation import require_installation


@dataclass(frozen=True)
class CheckedRule:
    """A rule, and the streams that the rule covers in an installation."""

    rule: Rule
    coverage: Coverage

    @property
    def can_fire(self) -> bool:
        """False for a rule that covers no stream."""
        return bool(self.coverage.streams)

    def threshold(self, streams: int) -> float | None:
        """Return the evidence at which the rule fires in a pipeline with so many streams of the rule.

        None for a rule without a budget of false alarms.
        """
        if isinstance(self.rule, BelowRule):
            return None
        return threshold(streams, self.rule.window, self.rule.false_alarms.a_month)


@dataclass(frozen=True)
class CheckedFile:
    """The rules of a file, and the pipelines that the rules were checked against."""

    rules: Sequence[CheckedRule]
    known: Funnels

    @property
    def is_sound(self) -> bool:
        """True if every rule can fire, and no part of a rule is invalid."""
        return all(each.can_fire and not each.coverage.invalid for each in self.rules)


async def check_rules(settings: Settings) -> CheckedFile:
    """Read the rule file, and find what each rule covers.

    Raises WrongRulesError with every mistake of the file, UnreachableError if the report database does not answer,
    PreconditionError if the database is not set up.
    """
    rules = read_rules(settings.alert_rules, settings.windows)
    async with facts_connection(settings) as report:
        await require_installation(report, settings.instance)
        known = await read_funnels(report)
    return CheckedFile([CheckedRule(rule, cover(rule, known)) for rule in rules.rule], known)
