"""The reference is made from the code. Each test here looks at the code in another way than the generator does."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.main import get_command

from reference.__main__ import PAGES
from reference.errors import errors
from reference.json_schema import title_of
from reference.markdown import table
from reference.metrics import Described, described
from streams.cli.main import app
from streams.errors import FunnelproofError
from streams.operations.metrics import Metrics
from streams.operations.reading import CheckpointReading
from streams.settings import PREFIX, Settings
from streams.web.site import create_site
from tests.unit.docs.pages import DOCS, ROOT, name_of
from tests.unit.operations.test_alert_site import full as alerts_with_all_metrics
from tests.unit.operations.test_metrics import PROVER


@cache
def made(page: Path) -> str:
    return PAGES[page]()


def text(name: str) -> str:
    return made(DOCS / "reference" / f"{name}.md")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_of_the_reference_is_what_the_code_makes_now(page: Path) -> None:
    assert page.read_text("utf-8") == made(page), "run `make reference`"


def test_the_reference_has_every_command_with_every_option() -> None:
    def missing(command: object, name: str) -> list[str]:
        page = text("commands")
        section = page.partition(f"# {name}\n")[2].partition("\n#")[0]
        options = [option for each in command.params for option in each.opts]  # type: ignore[attr-defined]  # click
        here = [
            f"{name} {option}"
            for option in options
            if f"`{option}" not in section.replace(option.upper(), option)
        ]
        members = getattr(command, "commands", {}).items()
        return here + [each for word, member in members for each in missing(member, f"{name} {word}")]

    assert missing(get_command(app), "funnelproof") == []
    assert text("commands").count("\n$ funnelproof ") >= 25


def test_the_reference_has_every_setting_with_its_meaning() -> None:
    rows = made(DOCS / "settings.md").splitlines()
    assert [
        name
        for name, field in Settings.model_fields.items()
        if not any(
            row.startswith(f"| `{PREFIX}{name.upper()}` |") and row.endswith(f"| {field.description} |")
            for row in rows
        )
    ] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `FUNNELPROOF_PARTITIONS` | number, 1 to 1000 | `8` |",
        "| `FUNNELPROOF_CHECKPOINT_INTERVAL` | length of time | `5m` |",
        "| `FUNNELPROOF_PROOF_WAIT` | length of time | `60s` |",
        "| `FUNNELPROOF_FLUSH_INTERVAL` | length of time | `200ms` |",
        "| `FUNNELPROOF_GRACE` | length of time | `0s` |",
        "| `FUNNELPROOF_WINDOWS` | list | `hour,day,week,month` |",
        "| `FUNNELPROOF_LOG_FORMAT` | `console`, `json` | `console` |",
        "| `FUNNELPROOF_KAFKA_SASL_PASSWORD` | secret |  |",
    ],
)
def test_a_setting_is_shown_as_a_user_would_write_it(row: str) -> None:
    assert row in made(DOCS / "settings.md")


def scraped(registry: CollectorRegistry) -> dict[str, tuple[str, frozenset[str]]]:
    """Return kind and labels of every metric of a registry by its name, without those of the process."""
    return {
        family.name + "_total" * (family.type == "counter"): (
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in registry.collect()
        if family.name.startswith("funnelproof")
    }


def test_the_reference_has_every_metric_that_a_program_exposes_with_its_labels() -> None:
    worker = Metrics()
    worker.reading = replace(PROVER, checkpoints={0: CheckpointReading(age=3.0, size=900)})
    exposed = scraped(worker.registry) | scraped(alerts_with_all_metrics().registry)
    rows = {
        row.split(" | ")[0][3:-1]: row.split(" | ")
        for row in text("metrics").splitlines()
        if "`funnelproof_" in row[:16]
    }
    assert len(exposed) > 35
    assert {
        name: (kind, labels)
        for name, (kind, labels) in exposed.items()
        if name not in rows
        or rows[name][1] != kind
        or set(rows[name][2].replace("`", "").split(", ")) - {""} != labels
    } == {}


def test_a_metric_is_described_by_its_call_and_by_the_comment_above() -> None:
    module = """
from prometheus_client import Counter
class Metrics:
    def __init__(self):
        # refused: too late.
        self.flushes = Counter("flushes", "Flushes by result.", ["result"], registry=None)
"""
    assert list(described(module)) == [
        Described("flushes_total", "counter", ["result"], "Flushes by result.", "refused: too late.")
    ]


def test_the_reference_has_every_topic_and_every_event() -> None:
    page = text("topics")
    settings = Settings(topic_prefix="PREFIX", instance="named")
    topics = [
        getattr(settings, name).replace("PREFIX", "<prefix>").replace("named.", "<instance>.")
        for name in dir(Settings)
        if name.endswith("_topic")
    ]
    assert len(topics) == 5
    assert [topic for topic in topics if f"| `{topic}` |" not in page] == []
    for schema in (ROOT / "schemas" / "events").iterdir():
        event = json.loads(schema.read_text("utf-8"))
        assert f"schemas/events/{schema.name}`" in page
        assert [field for field in event["properties"] if f"| `{field}` |" not in page] == []


def test_the_reference_has_every_operation_every_object_and_every_address_of_the_site() -> None:
    page = text("api")
    document = create_site(Settings()).openapi()
    operations = [f"{method.upper()} {path}" for path, each in document["paths"].items() for method in each]
    objects = [
        title_of(name) for name, each in document["components"]["schemas"].items() if "properties" in each
    ]
    assert len(operations) > 10
    assert [each for each in [*operations, *objects] if f"### {each}\n" not in page] == []
    written = "".join(path.read_text("utf-8") for path in (ROOT / "streams").rglob("*.py"))
    addresses = re.findall(r"(?:web|router)\.(?:get|post)\(\s*\"(/[^\"]*)\"", written)
    assert len(addresses) > 12
    assert [each for each in addresses if f" `{each}` |" not in page and f"{each}\n" not in page] == []


def test_the_reference_has_every_error_that_a_user_can_meet() -> None:
    errors()  # imports every module
    classes: list[type] = [FunnelproofError]
    for each in classes:  # grows by the classes that are found
        classes.extend(each.__subclasses__())
    known = [each.__name__ for each in classes if each.__module__.startswith("streams.")]
    assert len(known) > 15
    assert [name for name in known if f"| `{name}` |" not in text("errors")] == []
    assert "| `SilentDatabaseError` | 503 Service Unavailable |" in text("errors")


def test_a_table_refuses_a_pipe() -> None:
    with pytest.raises(ValueError, match="pipe"):
        table(["a"], [["b | c"]])
