"""What a user sees when a server does not answer: one line that names it and the setting, and exit status 2."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from streams.brokers import Brokers
from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from tests.programs import Program

CASES = {
    ("migrate", "SOURCE_DSN"): "cannot reach Postgres at 127.0.0.1:1/crm",
    ("reconcile", "SOURCE_DSN"): "cannot reach Postgres at 127.0.0.1:1/crm",
    ("worker", "SOURCE_DSN"): "cannot reach Postgres at 127.0.0.1:1/crm",
    ("worker", "KAFKA"): "no Kafka broker answers at 127.0.0.1:1",
    ("connector apply", "SOURCE_DSN"): "cannot reach Postgres at 127.0.0.1:1/crm",
    ("connector apply", "KAFKA"): "no Kafka broker answers at 127.0.0.1:1",
    ("connector apply", "CONNECT_URL"): "Kafka Connect does not answer at http://127.0.0.1:1",
}
NOWHERE = {
    "SOURCE_DSN": "postgresql://someone:secret@127.0.0.1:1/crm",
    "KAFKA": "127.0.0.1:1",
    "CONNECT_URL": "http://127.0.0.1:1",
}


@pytest.fixture
async def environment(database: str, kafka: str) -> AsyncIterator[dict[str, str]]:
    """Postgres and Kafka answer, and the worker's topic is there."""
    prefix = f"nobody{uuid4().hex[:8]}"
    topic = f"{prefix}.dyno_crm.deal_pipeline_stage_state"
    topics = Topics(Brokers(kafka))
    await topics.ensure(topic, 2, DATA_TOPIC_SETTINGS)
    outside = {key: value for key, value in os.environ.items() if not key.startswith("FUNNELPROOF_")}
    mine = {
        "SOURCE_DSN": database,
        "KAFKA": kafka,
        "TOPIC_PREFIX": prefix,
        "INSTANCE": prefix,
        "PARTITIONS": "2",
    }
    yield outside | {f"FUNNELPROOF_{name}": value for name, value in mine.items()}
    await topics.delete([topic, f"{prefix}.message", f"{prefix}.dead-letters"])


def without_progress(err: str) -> list[str]:
    """Return the lines but for those that tell every ten seconds what a command does."""
    return [line for line in err.splitlines() if not line.endswith(" s)")]


@pytest.mark.thorough
def test_a_server_that_does_not_answer_is_named_in_one_line(
    environment: dict[str, str], tmp_path: Path
) -> None:
    started = []
    for number, (command, setting) in enumerate(CASES):  # all at once: a broker is given up after ten seconds
        out, err = tmp_path / f"{number}.out", tmp_path / f"{number}.err"
        nowhere = {f"FUNNELPROOF_{setting}": NOWHERE[setting]}
        started.append((Program(command.split(), environment | nowhere, out, err), out, err))
    for ((command, setting), message), (program, out, err) in zip(CASES.items(), started, strict=True):
        status, told = program.wait(60), err.read_text("utf-8")
        assert status == 2, (command, setting, told)
        assert len(without_progress(told)) == 1, (command, setting, told)
        assert message in told
        assert f"FUNNELPROOF_{setting}" in told
        assert "secret" not in told
        assert out.read_text("utf-8") == ""
