from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from tests.integration.stream.installation import Installation, installed
from tests.servers import Servers


class Install(Protocol):
    """Sets an installation up; see `installed`. Settings are named without their prefix."""

    def __call__(self, **settings: str) -> AbstractAsyncContextManager[Installation]: ...


@pytest.fixture(scope="session")
def install(servers: Servers, template: str, tmp_path_factory: pytest.TempPathFactory) -> Install:
    def install(**settings: str) -> AbstractAsyncContextManager[Installation]:
        return installed(servers, template, tmp_path_factory.mktemp("installation"), **settings)

    return install


@pytest.fixture(scope="module")
async def installation(install: Install) -> AsyncIterator[Installation]:
    """One for the tests of a module, with a worker: to set one up takes seconds. A funnel each keeps them apart."""
    async with install(WINDOWS="3s,1h", PROOF_WAIT="6s") as installation:
        installation.start_worker()
        await installation.wait_until_folding()
        yield installation
