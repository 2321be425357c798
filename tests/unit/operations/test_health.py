from dataclasses import replace

import pytest

from streams.operations.health import (
    JOIN_SECONDS,
    SILENT_SECONDS,
    STANDING_SECONDS,
    UNPROVEN_SECONDS,
    UNPUBLISHED_SECONDS,
    troubles,
    warnings,
)
from streams.operations.reading import PartitionReading, Reading
from streams.store.doubts import Doubt

FOLDED = PartitionReading(position=10, active=True, deals=3)
REPLAYED = PartitionReading(position=4, active=False, deals=1)
PROVER = Reading(partitions={0: FOLDED, 1: FOLDED}, silent=0.4, unproven=1.2)


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(Reading(joining=JOIN_SECONDS), id="it waits for its first assignment"),
        pytest.param(Reading(), id="there is no partition left for it"),
        pytest.param(replace(PROVER, unproven=None), id="it folds and another proves"),
        pytest.param(PROVER, id="it folds and proves"),
        pytest.param(replace(PROVER, silent=SILENT_SECONDS, unproven=UNPROVEN_SECONDS), id="it is slow"),
        pytest.param(
            replace(PROVER, unpublished=90_000, unpublished_for=UNPUBLISHED_SECONDS),
            id="many results wait for Kafka, and some were published lately",
        ),
        pytest.param(replace(PROVER, proof_trouble="marker 7 did not come"), id="one proof failed"),
        pytest.param(
            replace(PROVER, partitions={0: FOLDED, 1: REPLAYED}, silent=900.0, unproven=900.0),
            id="it replays, with nothing to flush and no proof possible",
        ),
    ],
)
def test_a_worker_is_healthy_while(reading: Reading) -> None:
    assert troubles(reading) == []


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Reading(joining=JOIN_SECONDS + 1), "Kafka has assigned nothing for 121 s"),
        (
            Reading(joining=3.0, takeover_trouble="no Kafka broker answers"),
            "partitions cannot be taken over: no Kafka broker answers",
        ),
        (replace(PROVER, postgres_trouble="refused"), "Postgres does not take the flush: refused"),
        (replace(PROVER, silent=SILENT_SECONDS + 1), "Postgres has not confirmed a flush for 31 s"),
        (replace(PROVER, unproven=UNPROVEN_SECONDS + 1), "no proof for 61 s"),
        (
            replace(PROVER, unproven=75.0, proof_trouble="marker 7 did not come"),
            "no proof for 75 s: marker 7 did not come",
        ),
        (
            replace(
                PROVER, unpublished=3, unpublished_for=UNPUBLISHED_SECONDS + 1, publish_trouble="no answer"
            ),
            "no result published to Kafka for 61 s: no answer",
        ),
        (
            replace(PROVER, session_trouble="refused"),
            "the session that tells others of this worker is lost: refused",
        ),
        (
            replace(PROVER, standing={0: 3.0, 1: STANDING_SECONDS + 1}),
            "partitions [1] have unread records, and their positions stand",
        ),
        (replace(PROVER, connector_trouble="the connector is PAUSED"), "the connector is PAUSED"),
        (replace(PROVER, difference="the last reconciliation found"), "the last reconciliation found"),
    ],
)
def test_a_worker_that_does_not_do_its_work_says_why(reading: Reading, reason: str) -> None:
    found = troubles(reading)
    assert len(found) == 1
    assert found[0].startswith(reason)


def test_every_trouble_is_named() -> None:
    reading = replace(PROVER, takeover_trouble="a", postgres_trouble="b", unproven=99.0)
    assert len(troubles(reading)) == 3


def test_a_doubt_fails_the_health_and_says_what_to_do() -> None:
    doubtful = replace(PROVER, doubts=[Doubt("slot", "it was moved", "begin anew")])
    assert troubles(doubtful) == ["results are estimates: it was moved: begin anew"]


def test_checkpoints_that_cannot_be_written_are_a_warning() -> None:
    full = replace(PROVER, checkpoints_fail=True)
    assert troubles(full) == []
    assert warnings(full)[0].startswith("checkpoints cannot be written: make room")
    assert warnings(PROVER) == []


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(Reading(joining=3.0), id="it joins the group"),
        pytest.param(replace(PROVER, partitions={0: FOLDED, 1: REPLAYED}), id="it replays a partition"),
    ],
)
def test_a_worker_starts_while(reading: Reading) -> None:
    assert reading.starting


def test_a_worker_without_partitions_has_started() -> None:
    assert not Reading().starting
    assert not PROVER.starting
