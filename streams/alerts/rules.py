"""The rules of alerts, as a rule file has them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    HttpUrl,
    ValidationInfo,
    field_validator,
)

from streams.alerts.addresses import KAFKA, Receiver
from streams.alerts.notation import ANY, Budget, PairName, parse_budget, parse_pair, parse_share
from streams.alerts.threshold import windows_a_month
from streams.domain.detection.tolerance import TOLERATED
from streams.domain.duration import parse_duration


@dataclass(frozen=True)
class Known:
    """The names that rules may use: the configured window kinds, and the receivers of the file."""

    windows: Sequence[str]
    receivers: Sequence[str]


def _known(info: ValidationInfo) -> Known | None:
    return info.context if isinstance(info.context, Known) else None


def _duration(value: Any) -> timedelta:  # noqa: ANN401 - a validator is given whatever was written
    return parse_duration(value if isinstance(value, str) else repr(value))


def _plain_list(names: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return `names`; raises ValueError for a list that names something twice, or something beside `"*"`."""
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise ValueError(f'names "{twice[0]}" twice')
    if ANY in names and len(names) > 1:
        raise ValueError('names more than "*", which stands for all: leave "*" or the others out')
    return names


def _worth_an_alert(value: float) -> float:
    if not TOLERATED < value < 1:
        raise ValueError(
            f"is no fall to alert on: give more than {TOLERATED:.0%}, which rates drift by themselves, "
            "and less than 100%"
        )
    return value


def _possible(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError("is a rate that is never or always undercut: give more than 0% and less than 100%")
    return value


def _any_names(names: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return `names` like `_plain_list`; raises ValueError for an empty list, too."""
    # Pydantic's own min_length would call a list with nothing but wrong items empty, too.
    if not names:
        raise ValueError("is an empty list")
    return _plain_list(names)


def _written(text: str) -> Any:  # noqa: ANN401 - the validator makes it the field's type
    """Return a default as a file would have it; validated like the file's values."""
    return text


Share = Annotated[
    float,
    BeforeValidator(
        parse_share, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,6})? ?%$")]
    ),
]
Fall = Annotated[Share, AfterValidator(_worth_an_alert)]
Rate = Annotated[Share, AfterValidator(_possible)]
FalseAlarms = Annotated[
    Budget,
    BeforeValidator(
        parse_budget,
        json_schema_input_type=Annotated[
            str,
            Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})? per pipeline per (day|week|month|year)$"),
        ],
    ),
]
Length = Annotated[
    timedelta,
    BeforeValidator(
        _duration, json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]{1,9}(ms|s|m|h|d)$")]
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
_SOME: Any = Field(json_schema_extra={"minItems": 1})
Names = Annotated[tuple[Name, ...], _SOME, AfterValidator(_any_names)]
Pair = Annotated[
    PairName | Literal["*"],
    BeforeValidator(
        parse_pair, json_schema_input_type=str | Annotated[list[str], Field(min_length=2, max_length=2)]
    ),
]
_EVERY_PAIR: tuple[Pair, ...] = (ANY,)
Pairs = Annotated[tuple[Pair, ...], _SOME, AfterValidator(_any_names)]


class CommonKeys(BaseModel):
    """The keys that rules of every kind have."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    name: Name = Field(description="the rule's own name")
    window: str = Field("day", description="a kind of FUNNELPROOF_WINDOWS")
    tenants: Names = Field((ANY,), description='ids or labels of tenants; "*": all')
    pipelines: Names = Field((ANY,), description='ids or labels of pipelines; "*": all')
    for_: Length = Field(
        _written("0s"), alias="for", description="how long the evidence must last before the alert fires"
    )
    keep_firing_for: Length = Field(
        _written("0s"), description="how long the alert goes on firing once the evidence is gone"
    )
    severity: str = Field(
        "warning",
        pattern=r"^[a-z][a-z0-9_-]{0,30}$",
        description="a word for the receivers, for example warning or critical",
    )
    receivers: Annotated[tuple[str, ...], AfterValidator(_plain_list)] = Field(
        (KAFKA,), description="names of receivers; kafka is always there; []: the page alone"
    )
    runbook: HttpUrl | None = Field(None, description="an address that every message carries")

    @field_validator("window")
    @classmethod
    def _configured_window(cls, value: str, info: ValidationInfo) -> str:
        known = _known(info)
        if known is not None and value not in known.windows:
            raise ValueError(
                f'"{value}" is no window of this installation: name one of FUNNELPROOF_WINDOWS '
                f"({', '.join(known.windows)})"
            )
        return value

    @field_validator("receivers")
    @classmethod
    def _known_receivers(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        known = _known(info)
        strange = [] if known is None else [name for name in value if name not in known.receivers]
        if known is not None and strange:
            raise ValueError(
                f"no receiver is called {', '.join(strange)}: write the table [receivers.{strange[0]}], "
                f"or name one of {', '.join(known.receivers)}"
            )
        return value


class _Budgeted(CommonKeys):
    """A rule that weighs evidence, and keeps the false alarms within a budget."""

    false_alarms: FalseAlarms = Field(
        _written("1 per pipeline per month"), description="how many false alarms a pipeline may have"
    )

    @field_validator("false_alarms")
    @classmethod
    def _below_every_window(cls, value: Budget, info: ValidationInfo) -> Budget:
        window = info.data.get("window")
        if window is not None and value.a_month >= (most := windows_a_month(window)):
            raise ValueError(
                f"allows a false alarm in every {window} window, of which a month has {most:g}: "
                f"allow fewer than {most:g} per pipeline per month"
            )
        return value


class DropRule(_Budgeted):
    """Conversion of a pair falls below what the pair's history promises."""

    kind: Literal["drop"]
    pairs: Pairs = Field(_EVERY_PAIR, description='pairs of stages, as "Qualified -> Demo"; "*": all')
    drop: Fall = Field(_written("30%"), description="the relative fall worth waking somebody for")


class TrafficRule(_Budgeted):
    """Fewer deals enter a stage than the stage's history promises."""

    kind: Literal["traffic"]
    stages: Names = Field((ANY,), description='ids or labels of stages; "*": all')
    drop: Fall = Field(_written("50%"), description="the relative fall worth waking somebody for")


class BelowRule(CommonKeys):
    """Conversion of a pair is below a fixed rate."""

    kind: Literal["below"]
    pairs: Pairs = Field(_EVERY_PAIR, description='pairs of stages, as "Qualified -> Demo"; "*": all')
    rate: Rate = Field(description="the conversion rate below which the alert fires")
    min_entered: int = Field(
        50, ge=1, strict=True, description="windows that fewer deals entered are left out"
    )


Rule = DropRule | TrafficRule | BelowRule
KINDS: Mapping[str, type[Rule]] = {"drop": DropRule, "traffic": TrafficRule, "below": BelowRule}
ReceiverName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,60}$")]


class Rules(BaseModel):
    """The rules and receivers of an installation."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, title="Alert rules")

    receivers: dict[ReceiverName, Receiver] = Field({}, description="where alerts are sent, by name")
    rule: tuple[Annotated[Rule, Discriminator("kind")], ...] = Field((), description="what is watched")


def built_in(windows: Sequence[str]) -> Rules:
    """Return the rules of an installation without a file: a fall of 30 % of any pair, in `day` windows.

    Empty if `windows`, the configured kinds, have no `day`.
    """
    rules = [{"name": "conversion drops", "kind": "drop"}] if "day" in windows else []
    return Rules.model_validate({"rule": rules}, context=Known(windows, (KAFKA,)))
