"""A worker that starts again goes on from its checkpoints."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation, eventually
from tests.integration.stream.writing import keep_writing

pytestmark = pytest.mark.timeout(150)


def checkpoints(installation: Installation) -> list[Path]:
    return [*installation.settings.state_dir.rglob("*.checkpoint")]


async def test_a_worker_goes_on_from_its_checkpoints_after_a_crash_and_after_a_stop(install: Install) -> None:
    async with install(WINDOWS="3s,1h", CHECKPOINT_INTERVAL="500ms") as installation:
        funnel = Funnel()
        await funnel.create(installation.connection)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        async with keep_writing(installation, [funnel]):
            await eventually(lambda: len(checkpoints(installation)) == installation.settings.partitions)
            written = max(each.stat().st_mtime for each in checkpoints(installation))
            await eventually(
                lambda: min(each.stat().st_mtime for each in checkpoints(installation)) > written
            )
            worker.kill()
            crashed = installation.start_worker()
            await installation.wait_until_folding()
        await installation.right(funnel.tenant)
        assert crashed.resumed == installation.settings.partitions
        assert await crashed.stop() == 0
        async with keep_writing(installation, [funnel]):
            await asyncio.sleep(1)
        stopped = installation.start_worker()
        await installation.wait_until_folding()
        await installation.right(funnel.tenant)
        assert stopped.resumed == installation.settings.partitions
        await installation.proven()
        status, _ = await asyncio.to_thread(installation.reconcile)
        assert status == 0
