"""`funnelproof reconcile --repair`: every planted fault is mended to equality, and the repair is recorded."""

import asyncio
from typing import Any

import pytest

from tests.integration.stream.installation import Installation, Worker
from tests.integration.stream.plants import PLANTS, Planted, installation, planted

__all__ = ["installation", "planted"]

pytestmark = pytest.mark.timeout(240)

REVISION = """
select revision, causes from funnelproof.latest_run
where tenant_id = $1 and window_name = '3s' and window_start = $2
"""


def repair(installation: Installation, *options: str) -> tuple[int, dict[str, Any]]:
    return installation.reconcile("--window", "3s", "--repair", *options)


async def test_every_planted_fault_is_mended_to_equality(planted: Planted) -> None:
    installation = planted.installation
    status, told = await asyncio.to_thread(repair, installation)
    assert (status, told["outcome"], told["repair"]["done"]) == (1, "different", None), "nobody said --yes"
    assert await installation.connection.fetchval("select count(*) from funnelproof.repair") == 0

    status, told = await asyncio.to_thread(repair, installation, "--yes", "--reason", "a test of repairs")
    print([(n, d) for n, f in planted.funnels.items() for d in told["repair"]["done"]["differences"] if d["tenant_id"] == str(f.tenant)])
    print(told["repair"]["done"]["differences"][:3], [dict(r) for r in await installation.connection.fetch("select * from funnelproof.repair_action")])
    if status:
        print((await asyncio.to_thread(planted.explain))[1]["explanation"]["findings"])
    assert (status, told["repair"]["done"]["outcome"]) == (0, "equal"), told
    await installation.right()
    for fault in PLANTS:
        row = await installation.connection.fetchrow(REVISION, planted.funnels[fault].tenant, planted.start)
        assert row is not None
        print(fault, tuple(row))
