"""The page of topics: names and settings as the program makes the topics, events by their JSON schemas."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from reference.json_schema import nested_table
from reference.markdown import code, codes, first_paragraph, page, table
from streams.cdc.facts_topic import SETTINGS as FACTS_TOPIC_SETTINGS
from streams.cdc.own_topics import wanted_topics
from streams.settings import Settings

SCHEMAS = Path(__file__).parent.parent / "schemas" / "events"
_TOPIC = re.compile(r"<instance>\.[\w-]+")
PREFIX, INSTANCE = "prefix", "instance"
INTRODUCTION = """\
`<prefix>` is `FUNNELPROOF_TOPIC_PREFIX`, `<instance>` is `FUNNELPROOF_INSTANCE`. `funnelproof connector apply`
makes the topics; `funnelproof alerts run` makes the topic of alerts where it is missing. Debezium makes one more
topic, `__debezium-heartbeat.<prefix>`. A setting that is not named here is the broker's."""


def topics_page() -> str:
    """Return the page."""
    rows = ((code(name), partitions, codes(settings), text) for name, partitions, settings, text in _topics())
    events = (part for path in sorted(SCHEMAS.glob("*.json")) for part in _event(path))
    return page(
        "Topics",
        INTRODUCTION,
        table(("topic", "partitions", "settings", "content"), rows),
        "## Events",
        *events,
    )


def topics() -> Mapping[str, str]:
    """Return every topic of the settings with its content."""
    settings = Settings(topic_prefix=PREFIX, instance=INSTANCE)
    return {
        getattr(settings, name): first_paragraph(each.__doc__)
        for name, each in vars(Settings).items()
        if isinstance(each, property) and name.endswith("_topic")
    }


def _topics() -> Iterator[tuple[str, str, list[str], str]]:
    settings = Settings(topic_prefix=PREFIX, instance=INSTANCE)
    made = {settings.facts_topic: (1, FACTS_TOPIC_SETTINGS), **wanted_topics(settings)}
    for name, text in topics().items():
        partitions, kept = made.get(name, (1, {}))
        of_setting = name == settings.data_topic
        yield (
            _shown(name),
            code("FUNNELPROOF_PARTITIONS") if of_setting else str(partitions),
            [f"{setting}={value}" for setting, value in kept.items()],
            text.replace("The topic of the ", "The ", 1),
        )


def _shown(name: str) -> str:
    return (
        name.replace(PREFIX, f"<{PREFIX}>", 1)
        if name.startswith(PREFIX)
        else name.replace(INSTANCE, f"<{INSTANCE}>", 1)
    )


def _event(path: Path) -> Iterator[str]:
    schema = json.loads(path.read_text("utf-8"))
    yield f"### {schema['title']}"
    yield _TOPIC.sub(r"`\g<0>`", schema["description"])
    yield f"The schema is `schemas/events/{path.name}`."
    yield nested_table(schema, schema.get("$defs", {}))
