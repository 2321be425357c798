"""One installation with a worker for all tests of this folder: to set one up takes five seconds of CPU.

A test has a funnel of its own, asks about the funnel's tenant, and leaves a worker running and no letter unresolved.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

HERE = Path(__file__).parent
FORGET_LETTERS = "update funnelproof.dead_letter set resolved_at = now() where resolved_at is null"
"""Only a new log settles a letter without a row."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process of a parallel run do all tests of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("one installation"))


@pytest.fixture(scope="session")
async def shared(install: Install) -> AsyncIterator[Installation]:
    async with install(WINDOWS="3s,1h", PROOF_WAIT="6s") as installation:
        installation.start_worker()
        await installation.wait_until_folding()
        yield installation


@pytest.fixture
async def installation(shared: Installation) -> Installation:
    """The installation, as whole as at its beginning: a test that fails harms no other test."""
    await shared.connection.execute(FORGET_LETTERS)
    if not shared.workers[-1].runs:
        shared.start_worker()
        await shared.wait_until_folding()
    return shared


@pytest.fixture
async def funnel(installation: Installation) -> Funnel:
    """A funnel of this test's own."""
    (funnel,) = await installation.new_funnels(1)
    return funnel
