"""The page of requirements beside the files that it describes."""

import re

from streams.cdc.own_topics import DATA_TOPIC_SETTINGS, MESSAGE_TOPIC_SETTINGS
from streams.local.connect import SETTINGS as CONNECT
from streams.store.migrations import known_migrations
from tests.unit.docs.pages import DOCS, ROOT

PAGE = (DOCS / "requirements.md").read_text("utf-8")


def row(beginning: str) -> str:
    (found,) = [line for line in PAGE.splitlines() if line.startswith(f"| {beginning}")]
    return found


def test_the_versions_are_those_that_the_tests_run_on() -> None:
    pom = (ROOT / "streams" / "local" / "pom.xml").read_text("utf-8")
    versions = dict(re.findall(r"<artifactId>([\w.-]+)</artifactId>\s+<version>([\w.]+)</version>", pom))
    assert versions["kafka_2.13"] in row("Kafka brokers")
    assert versions["connect-runtime"] in row("Kafka Connect |")
    assert versions["debezium-connector-postgres"] in row("Debezium's PostgreSQL connector")
    (postgres,) = re.findall(r"image: postgres:([\d.]+)", (ROOT / "docker-compose.yml").read_text("utf-8"))
    assert postgres in row("PostgreSQL of the CRM")


def test_the_settings_of_topics_are_those_that_the_connector_s_set_up_makes() -> None:
    for topic, settings in (
        ("`<prefix>.dyno_crm.deal_pipeline_stage_state` |", DATA_TOPIC_SETTINGS),
        ("`<prefix>.message` |", MESSAGE_TOPIC_SETTINGS),
    ):
        named = dict(re.findall(r"`([\w.]+)=([\w-]+)`", row(topic)))
        assert named == settings


def test_the_settings_of_connect_are_those_that_the_tests_run_with() -> None:
    section = PAGE.partition("## Kafka and Kafka Connect")[2]
    named = dict(re.findall(r"^\| `([\w.]+)` \| `(\w+)`", section, re.MULTILINE))
    assert len(named) == 2
    assert {name: CONNECT[name] for name in named} == named


def test_the_columns_of_the_crm_have_the_types_that_the_tests_run_with() -> None:
    crm = (ROOT / "sql" / "local" / "crm.sql").read_text("utf-8")
    told: dict[str, dict[str, str]] = {}
    section = PAGE.partition("## The tables of the CRM")[2].partition("\n- ")[0]
    for line in re.findall(r"^\|.*`.*$", section, re.MULTILINE):
        table, columns, kind = (re.findall(r"`(\w+)`", cell) for cell in line.split("|")[1:4])
        if table:
            of_table = told.setdefault(table[0], {})
        of_table.update(dict.fromkeys(columns, *kind))
    assert told.keys() == {"pipeline_stage", "deal_pipeline_stage_state"}
    for name, types in told.items():
        (made,) = re.findall(rf"create table if not exists dyno_crm\.{name} \((.*?)\n\);", crm, re.DOTALL)
        assert (
            dict(re.findall(r"^    (\w+) (\w+)", made.replace(" int ", " integer "), re.MULTILINE)) == types
        )


def test_the_page_names_the_roles_and_whatever_migrate_touches_in_the_crm() -> None:
    roles = re.findall(r"'(funnelproof_\w+)'[,\n ]", (ROOT / "sql" / "roles.sql").read_text("utf-8"))
    touched = [effect.split(":")[0].split(".")[1] for each in known_migrations() for effect in each.touches]
    assert len(set(roles)) == 6
    assert len(touched) >= 5
    assert [name for name in {*roles, *touched} if f"`{name}`" not in PAGE and f".{name}`" not in PAGE] == []
