"""Debezium events as the connector of `schemas/connectors/stage_state.json` sends them."""

import json
from dataclasses import dataclass, field

ROW = {
    "id": "dddddddd-0000-4000-8000-000000000001",
    "tenant_id": "aaaaaaaa-0000-4000-8000-00000000000a",
    "deal_id": "22222222-2222-4222-8222-222222222222",
    "pipeline_id": "bbbbbbbb-0000-4000-8000-00000000000b",
    "pipeline_stage_id": "cccccccc-0000-4000-8000-000000000001",
    "entered_at": "2026-01-05T10:00:00.123456Z",
    "exited_at": None,
}

SPOILED = b"{"
"""An event that cannot be read."""


@dataclass(frozen=True)
class FakeRecord:
    """A Kafka record, as far as decoding looks at one."""

    value: bytes | None
    offset: int = 0
    key: bytes | None = b"key"
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    timestamp: int = 0


def envelope(op: str, *, before: object = None, after: object = None, lsn: int | None = 24_790_896) -> bytes:
    """An event; an update without a given `before` left the row as it was."""
    if op == "u" and before is None:
        before = after
    source = {
        "version": "3.7.0.Final",
        "connector": "postgresql",
        "ts_ms": 1_795_436_911_519,
        "snapshot": "false",
        "schema": "dyno_crm",
        "table": "deal_pipeline_stage_state",
        "txId": 807,
        "lsn": lsn,
    }
    event = {"before": before, "after": after, "source": source, "transaction": None, "op": op}
    return compact(event)


def compact(value: object) -> bytes:
    """JSON as Debezium writes it: no spaces, and nothing is escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
