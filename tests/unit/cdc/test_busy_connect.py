"""Connect answers that it rebalances in two ways; everything else is an answer."""

import httpx
import pytest

from streams.cdc.connect_api import _is_busy

EXPECTED = {"error_code": 500, "message": "Request cannot be completed because a rebalance is expected"}


@pytest.mark.parametrize(
    ("answer", "is_busy"),
    [
        (httpx.Response(500, json=EXPECTED), True),
        (httpx.Response(409, json={"message": "Cannot complete request momentarily"}), True),
        (httpx.Response(500, json={"message": "out of memory"}), False),
        (httpx.Response(500, text="rebalance"), False),
        (httpx.Response(404, json={"message": "no connector"}), False),
        (httpx.Response(200, json={}), False),
    ],
)
def test_a_rebalance_is_told_from_a_refusal(answer: httpx.Response, *, is_busy: bool) -> None:
    assert _is_busy(answer) is is_busy
