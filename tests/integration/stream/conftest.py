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
