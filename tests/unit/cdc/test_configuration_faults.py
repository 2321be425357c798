"""A running connector that leaves changes out is told from a connector that was only tuned."""

import pytest

from streams.cdc.connector_config import configuration_faults, connector_config
from streams.settings import Settings

SETTINGS = Settings(source_dsn="postgresql://crm:secret@db.example/crm", partitions=4)
TABLE = "dyno_crm.deal_pipeline_stage_state"


def faults(**changed: str | None) -> list[str]:
    running = connector_config(SETTINGS)
    for key, value in changed.items():
        name = key.replace("__", ".")
        if value is None:
            running.pop(name)
        else:
            running[name] = value
    return configuration_faults(running, SETTINGS)


def test_the_connector_that_apply_makes_has_no_fault() -> None:
    assert faults() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"poll__interval__ms": "500"},
        {"max__batch__size": "100", "errors__max__retries": "-1"},
        {"database__hostname": "other.example", "database__password": "another", "database__port": "5433"},
        {"column__include__list": None},
        {"producer__override__linger__ms": None, "snapshot__fetch__size": "100"},
    ],
)
def test_tuning_addresses_and_credentials_lose_nothing(changed: dict[str, str | None]) -> None:
    assert faults(**changed) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"skipped__operations": "t,d"},
        {"skipped__operations": None},
        {"table__include__list": "dyno_crm.pipeline_stage"},
        {"table__exclude__list": TABLE},
        {"column__include__list": f"{TABLE}.id"},
        {"column__exclude__list": f"{TABLE}.entered_at"},
        {"column__mask__with__8__chars": f"{TABLE}.deal_id"},
        {"transforms__route__partition__topic__num": "1"},
        {"transforms": "route,drop"},
        {"transforms__drop__type": "org.apache.kafka.connect.transforms.Filter"},
        {"message__key__columns": f"{TABLE}:id"},
        {"message__prefix__include__list": "other"},
        {"exactly__once__support": "requested"},
        {"offset__mismatch__strategy": "trust_slot"},
        {"publication__name": "other"},
        {"topic__prefix": "other"},
        {"value__converter__schemas__enable": "true"},
    ],
    ids=str,
)
def test_a_setting_that_loses_changes_is_named(changed: dict[str, str | None]) -> None:
    (key,) = changed
    (fault,) = faults(**changed)
    assert fault.startswith(key.replace("__", "."))
