"""A worker's health: the reasons why the worker does not do its work, and the defects to mend."""

from streams.operations.reading import Reading

JOIN_SECONDS = 120.0
"""The most seconds in which Kafka assigns partitions: a rebalance waits for workers that are being replaced."""
SILENT_SECONDS = 30.0
"""The most seconds of a flush; an idle worker confirms its positions once a second."""
UNPROVEN_SECONDS = 60.0
"""The most seconds of a proof, including attempts that fail."""

STANDING_SECONDS = 60.0
"""The most seconds for which a position stands while there are records to read."""
UNPUBLISHED_SECONDS = 60.0
"""The most seconds for which results wait for Kafka and no result can be published."""


def troubles(now: Reading) -> list[str]:
    """Return the worker's troubles, a line each. Without troubles the worker works, or rightly waits."""
    found = []
    if now.takeover_trouble is not None:
        found.append(f"partitions cannot be taken over: {now.takeover_trouble}")
    elif now.joining is not None and now.joining > JOIN_SECONDS:
        found.append(f"Kafka has assigned nothing for {now.joining:.0f} s: is FUNNELPROOF_KAFKA right?")
    if now.topic_trouble is not None:
        found.append(f"Kafka does not confirm the topic, nothing is flushed: {now.topic_trouble}")
    if now.postgres_trouble is not None:
        found.append(f"Postgres does not take the flush: {now.postgres_trouble}")
    elif now.partitions and not now.replaying and now.silent is not None and now.silent > SILENT_SECONDS:
        found.append(f"Postgres has not confirmed a flush for {now.silent:.0f} s")
    if now.session_trouble is not None:
        found.append(f"the session that tells others of this worker is lost: {now.session_trouble}")
    if stand := sorted(number for number, since in now.standing.items() if since > STANDING_SECONDS):
        found.append(f"partitions {stand} have unread records, and their positions stand: restart the worker")
    # Every proof has to wait for a partition that is replayed.
    if now.unproven is not None and not now.replaying and now.unproven > UNPROVEN_SECONDS:
        why = f": {now.proof_trouble}" if now.proof_trouble else ""
        found.append(f"no proof for {now.unproven:.0f} s{why}")
    if now.unpublished_for is not None and now.unpublished_for > UNPUBLISHED_SECONDS:
        why = f": {now.publish_trouble}" if now.publish_trouble else ""
        found.append(f"no result published to Kafka for {now.unpublished_for:.0f} s{why}")
    found += [each for each in (now.connector_trouble, now.difference) if each is not None]
    return found + [str(doubt) for doubt in now.doubts]


def warnings(now: Reading) -> list[str]:
    """Return the defects to mend although the worker does its work, a line each."""
    if not now.checkpoints_fail:
        return []
    return ["checkpoints cannot be written: make room in FUNNELPROOF_STATE_DIR; a restart replays more"]
