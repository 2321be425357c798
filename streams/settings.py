"""The settings of an installation: environment variables `FUNNELPROOF_*`, or the file `funnelproof.toml`."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from streams.access import Access, check_link
from streams.domain.change import Scope
from streams.domain.duration import parse_duration
from streams.domain.pairs import parse_stage_pairs
from streams.domain.plan import DEFAULT, plan_for
from streams.domain.retention import check_retention, parse_length, parse_retention
from streams.domain.timezone import check_timezone, parse_tenant_timezones
from streams.domain.windows import WindowKind, check_window_names
from streams.errors import SettingsError

PREFIX = "FUNNELPROOF_"
SETTINGS_FILE = Path("funnelproof.toml")


def _retention(value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
    if isinstance(value, str):
        return parse_retention(value)
    if isinstance(value, dict):  # a table of the settings file
        return {
            name: parse_length(each) if isinstance(each, str) else _duration(each)
            for name, each in value.items()
        }
    return value


def _duration(value: Any) -> timedelta:  # noqa: ANN401 - a validator is given whatever was written
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    return parse_duration(str(value))  # raises for a number of the settings file, which has no unit


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Retention = Annotated[
    dict[str, timedelta],
    NoDecode,
    BeforeValidator(_retention),
    AfterValidator(check_retention),
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Settings(Access):
    """Every setting with its default; a program calls `load_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    instance: Name = Field(
        "funnelproof", description="names the slot, publication, consumer group and markers"
    )
    topic_prefix: str = Field(
        "crm", pattern=r"^[A-Za-z0-9._-]{1,80}$", description="first part of the CDC topics' names"
    )
    partitions: int = Field(
        8, ge=1, le=1000, description="partitions of the CDC topic, for `connector apply`"
    )
    truncate_trigger: Literal["on", "off"] = Field(
        "on",
        description="whether `connector apply` makes the trigger that turns a truncate of the stage table into deletes",
    )
    state_dir: Path = Field(
        Path(".funnelproof"), description="folder of the files that a worker keeps between runs"
    )
    windows: Annotated[tuple[str, ...], NoDecode] = Field(
        ("hour", "day", "week", "month"),
        description="window kinds: hour, day, week, month, or fixed lengths like 15s, 10m, 7d",
    )
    timezone: str = Field("UTC", description="the timezone of calendar windows, for example Europe/Berlin")
    tenant_timezones: Annotated[dict[UUID, str], NoDecode] = Field(
        {}, description="tenants with their own timezone, comma-separated, for example id=Asia/Tokyo"
    )
    grace: Duration = Field(timedelta(0), description="how long after its end a window stays open")
    proof_wait: Duration = Field(
        timedelta(seconds=60),
        description="how long a close waits for transactions that were open at the window's end",
    )
    estimate_wait: Duration = Field(
        timedelta(seconds=30),
        description="how long after end and grace a window stays open if the source allows no markers",
    )
    revision_debounce: Duration = Field(
        timedelta(seconds=5),
        description="how long changes of a closed window are collected before its next revision",
    )
    stage_pairs: Annotated[Mapping[Scope, tuple[tuple[str, str], ...]], NoDecode] = Field(
        {},
        description="pairs of stages by pipeline; default: each stage and the next",
    )
    dormant_after: Duration = Field(
        timedelta(0),
        description="time without an entry after which a pipeline gets no zero rows; 0s: no pipeline is dormant",
    )
    flush_interval: Duration = Field(
        timedelta(milliseconds=200), description="least time between two flushes to Postgres"
    )
    checkpoint_interval: Duration = Field(
        timedelta(minutes=5), description="time between two checkpoints of a worker's state"
    )
    retention: Retention = Field(
        {},
        description="how long windows are kept after their end, for example hour=90d,day=5y; other kinds: forever",
    )
    zero_retention: Retention = Field(
        {},
        description="how long runs of only zeros are kept, for example hour=30d; default: like every run",
    )
    evidence_retention: Duration = Field(
        timedelta(days=90),
        description="how long reconciliations, findings and resolved dead letters are kept",
    )
    alert_rules: Path | None = Field(
        None, description="the file with the rules of alerts; default: one rule for all conversion drops"
    )
    labels_sql: str | None = Field(
        None,
        description="a query on the CRM's database for names: kind (tenant or pipeline), id, name; default: no names",
    )
    reconcile_timeout: Duration = Field(
        timedelta(minutes=5),
        description="the most time of a statement of `reconcile`; windows that take longer are divided",
    )
    reconcile_share: int = Field(
        10,
        ge=1,
        le=100,
        description="the most percent of a core of the CRM's database that `reconcile --every` takes",
    )
    session_timeout: Duration = Field(
        timedelta(seconds=10), description="silence after which Kafka gives a worker's partitions to another"
    )
    dashboard_url: str | None = Field(
        None, description="the dashboard's address as people reach it, for the links in alerts"
    )
    dashboard_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="names by which browsers may call the page of this machine, beside localhost"
    )
    dashboard_worker_url: str | None = Field(
        None, description="the address of any worker's web site, from which the page has the events of a deal"
    )
    dashboard_proxy_peers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="addresses of proxies that sign people in and name their tenants"
    )
    dashboard_proxy_secret: SecretStr | None = Field(
        None, min_length=16, description="the secret by which the page knows such a proxy"
    )
    log_format: Literal["console", "json"] = Field("console", description="the form of a worker's log")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the lowest level in a worker's log"
    )

    @field_validator("windows", "dashboard_hosts", "dashboard_proxy_peers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("windows")
    @classmethod
    def _known_windows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one window kind")
        if len(set(value)) != len(value):
            raise ValueError("names a window kind twice")
        check_window_names(value)
        return value

    @field_validator("tenant_timezones", mode="before")
    @classmethod
    def _known_tenants(cls, value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
        return parse_tenant_timezones(value)

    @field_validator("stage_pairs", mode="before")
    @classmethod
    def _known_pairs(cls, value: Any) -> Any:  # noqa: ANN401 - a validator is given whatever was written
        if isinstance(value, str):
            try:
                value = json.loads(value or "{}")
            except json.JSONDecodeError as error:
                raise ValueError(f"is not JSON: {error}") from error
        return parse_stage_pairs(value)

    @field_validator("dashboard_url", "dashboard_worker_url")
    @classmethod
    def _is_link(cls, value: str | None) -> str | None:
        return value if value is None else check_link(value)

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        return check_timezone(value)

    @property
    def window_kinds(self) -> tuple[WindowKind, ...]:
        """The configured window kinds, in the configured order."""
        return plan_for(self.windows, self.timezone).tilings[DEFAULT]

    @property
    def own_timezones(self) -> dict[str, str]:
        """The timezone of every tenant with an own timezone, by the tenant's identifier as text."""
        return {str(tenant): timezone for tenant, timezone in self.tenant_timezones.items()}

    @property
    def data_topic(self) -> str:
        """The topic of the changes of `dyno_crm.deal_pipeline_stage_state`."""
        return f"{self.topic_prefix}.dyno_crm.deal_pipeline_stage_state"

    @property
    def message_topic(self) -> str:
        """The topic of the markers."""
        return f"{self.topic_prefix}.message"

    @property
    def dead_letter_topic(self) -> str:
        """The topic of the dead letters: events that could not be applied."""
        return f"{self.instance}.dead-letters"

    @property
    def facts_topic(self) -> str:
        """The topic of the facts: every revision of a closed window."""
        return f"{self.instance}.facts"

    @property
    def alerts_topic(self) -> str:
        """The topic of the alerts: every transition of every alert."""
        return f"{self.instance}.alerts"

    @property
    def marker_prefix(self) -> str:
        """The prefix of this installation's logical decoding messages."""
        return f"funnelproof.{self.instance}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let arguments win over the environment, and the environment over the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, SETTINGS_FILE)


def load_settings(**overrides: object) -> Settings:
    """Read the settings. Raises SettingsError with a list of the unknown and malformed settings."""
    problems = [
        f"{name}: {_unknown(name)}"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in Settings.model_fields
    ]
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        problems += [_explain(problem) for problem in error.errors()]
    except ValueError as error:  # the file is not TOML
        problems.append(f"{SETTINGS_FILE}: {error}")
    if problems:
        raise SettingsError("wrong settings:\n  " + "\n  ".join(problems))
    return settings


def _explain(problem: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    name = PREFIX + "_".join(str(part) for part in problem["loc"][:1]).upper()
    message = (
        _unknown(name)
        if problem["type"] == "extra_forbidden"
        else problem["msg"].removeprefix("Value error, ")
    )
    return f"{name}: {message}"


def _unknown(name: str) -> str:
    known = [field.upper() for field in Settings.model_fields]
    guesses = get_close_matches(name.removeprefix(PREFIX), known, n=1)
    return f"no such setting, did you mean {PREFIX}{guesses[0]}?" if guesses else "no such setting"
