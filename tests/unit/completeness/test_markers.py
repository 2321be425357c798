"""Strangers may write into the source's log under any prefix: only a marker's own form is a marker."""

import base64
import json

import pytest

from streams.completeness.markers import identities

PREFIX = "funnelproof.crm"
ID_OF_ITS_OWN = "7f0c3a52-6d1b-4c58-9a53-2c1be3f8a001"


def message(content: object, prefix: str = PREFIX) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    inner = {"prefix": prefix, "content": base64.b64encode(text).decode()}
    return json.dumps({"op": "m", "message": inner}).encode()


def test_a_marker_is_read() -> None:
    assert list(identities([message({"n": 7, "token": ID_OF_ITS_OWN})], PREFIX)) == [(7, ID_OF_ITS_OWN)]


@pytest.mark.parametrize(
    "stranger",
    [
        None,
        b"",
        b"no json",
        b"[]",
        message({"n": 7, "token": ID_OF_ITS_OWN}, prefix="another"),
        message({"n": 7, "token": "none"}),
        message({"n": "7", "token": ID_OF_ITS_OWN}),
        message({"n": 0, "token": ID_OF_ITS_OWN}),
        message({"n": 2**63, "token": ID_OF_ITS_OWN}),
        message({"n": 7}),
        message(b"\xff\xfe"),
        json.dumps({"op": "m", "message": {"prefix": PREFIX, "content": "no base64!"}}).encode(),
    ],
    ids=repr,
)
def test_a_strangers_message_is_passed_over(stranger: bytes | None) -> None:
    marker = message({"n": 8, "token": ID_OF_ITS_OWN})
    assert list(identities([stranger, marker], PREFIX)) == [(8, ID_OF_ITS_OWN)]
