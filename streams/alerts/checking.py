"""A rule file, checked against an installation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from streams.alerts.evaluation.watches import wanted
from streams.alerts.rule_file import read_rules
from streams.alerts.rules import BelowRule, Rule
from streams.alerts.scope import Coverage, Funnels, Stream, cover, read_funnels
from streams.alerts.sight import Sight, sights_of
from streams.alerts.threshold import threshold
from streams.domain.windows import to_microseconds
from streams.settings import Settings
from streams.store.database import facts_connection
from streams.store.installation import require_installation
from streams.store.timezones import recorded_plan


@dataclass(frozen=True)
class CheckedRule:
    """A rule, the streams that the rule covers in an installation, and what the rule sees in each of them."""

    rule: Rule
    coverage: Coverage
    sights: dict[Stream, Sight] = field(default_factory=dict)

    @property
    def can_fire(self) -> bool:
        """False for a rule that covers no stream, or that is blind in every stream."""
        blind = self.sights and all(sight.can_fire is False for sight in self.sights.values())
        return bool(self.coverage.streams) and not blind

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


async def check_rules(settings: Settings, now: datetime) -> CheckedFile:
    """Read the rule file, find what each rule covers, and learn what each rule sees from the stored runs.

    Raises WrongRulesError with every mistake of the file, UnreachableError if the report database does not answer,
    PreconditionError if the database is not set up.
    """
    rules = read_rules(settings.alert_rules, settings.windows)
    async with facts_connection(settings) as report:
        await require_installation(report, settings.instance)
        known = await read_funnels(report)
        checked = {rule.name: CheckedRule(rule, cover(rule, known)) for rule in rules.rule}
        plan = await recorded_plan(report, settings.windows)
        for want in wanted(rules, known, plan, to_microseconds(now))[0]:
            for sight in await sights_of(report, want):
                checked[want.rule.name].sights[sight.stream] = sight
    return CheckedFile(list(checked.values()), known)
