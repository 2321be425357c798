"""Real servers, each started when the first test asks for it; a database of its own for each test that wants one.

Tests run in parallel (pytest-xdist). Worker processes share one set of servers, and each test makes databases, topics
and connectors of its own there. Tests that kill or pause servers do so on `own_servers`, which no other test uses
at the same time.
"""

import gc
import logging
import os
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import settings
from xdist.workermanage import WorkerController

from streams.resources import sql
from streams.store.migrations import migrate
from tests import last_use, tracing
from tests.databases import Databases
from tests.depth import QUICK
from tests.servers import EmbeddedServers, Servers, embedded_servers, new_database, running_servers
from tests.servers_shared import Door, ServersOfController, shared_servers

UNIT = "tests/unit/"
"""How the names of unit tests begin."""
JOBS_PER_CORE = 2.5
"""Tests that run at once: most of a test's time is spent in waiting."""

settings.load_profile(QUICK)  # `--hypothesis-profile deep` takes its place

_OWN, _BROWSER, _LONG, _QUICK, _UNIT = range(5)
"""Kinds of tests: on servers of their own; in a browser; `thorough`; others that need a server; unit tests."""
_door = pytest.StashKey[Door]()
_running = pytest.StashKey[ExitStack]()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many tests run at once with `-n auto`."""
    del config
    return int(JOBS_PER_CORE * (os.cpu_count() or 1))


def pytest_configure_node(node: WorkerController) -> None:
    """Have the servers in the controller of a parallel run, and tell each worker where to ask for them."""
    stash = node.config.stash
    if _door not in stash:
        stash[_running] = ExitStack()
        stash[_door] = stash[_running].enter_context(shared_servers())
    node.workerinput["door"] = stash[_door]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of a parallel run."""
    if _running in config.stash:
        config.stash[_running].close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check that unit tests need no server, and keep tests together that share what takes seconds to make."""
    _order(items)
    tracing.choose(items)
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if {"servers", "own_servers"} & set(fixtures) and _is_unit(item):
            raise pytest.UsageError(f"{item.nodeid} needs a server: it belongs under tests/integration")
        if "own_servers" in fixtures:
            item.add_marker(pytest.mark.xdist_group("own_servers"))
        elif "browser" in fixtures:
            item.add_marker(pytest.mark.xdist_group("browser"))  # to start one takes longer than most pages
        elif _is_unit(item) or _shares_a_module(item):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Trace a test and its processes where the test is traced; stop servers after the last test that uses them."""
    with pytest.MonkeyPatch.context() as patch, tracing.traced(item):
        if not tracing.is_traced(item):
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        result = yield
    last_use.of(item.config).passed(item)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Trace the beginning of the test itself, however long its fixtures took."""
    tracing.begin_anew(item)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Have one tracer in each worker process of a run that measures coverage."""
    if hasattr(session.config, "workerinput"):
        tracing.leave_one_tracer()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect untraced, and free no memory: nearly all that is made here stays."""
    gc.disable()
    try:
        with tracing.resting():
            return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector the collected tests: the tests stay until the end."""
    last_use.begin(session)
    gc.collect()
    gc.freeze()


def _order(items: list[pytest.Item]) -> None:
    """Sort tests that take long to the beginning of the queue, so that no core waits for one of them at the end.

    Among tests of a kind, the file with the longest time limit of its own is taken to be the one that takes longest.
    Files of unit tests are spread evenly among the long tests: unit tests compute while the long tests wait.
    """
    longest: dict[Path, float] = {}
    for item in items:
        if limit := item.get_closest_marker("timeout"):
            longest[item.path] = max(longest.get(item.path, 0), limit.args[0])
    kind = {id(item): _kind(item) for item in items}
    items.sort(key=lambda item: (kind[id(item)], -longest.get(item.path, 0)))
    kinds = [kind[id(item)] for item in items]
    units = list(dict.fromkeys(item.path for item in items if kind[id(item)] == _UNIT))
    among = kinds.count(_LONG) or kinds.count(_QUICK)
    place = {
        file: kinds.count(_OWN) + kinds.count(_BROWSER) + among * number / len(units)
        for number, file in enumerate(units)
    }
    numbers = {id(item): number for number, item in enumerate(items)}
    items.sort(key=lambda item: place.get(item.path, numbers[id(item)]))


def _is_unit(item: pytest.Item) -> bool:
    return item.nodeid.startswith(UNIT)


def _kind(item: pytest.Item) -> int:
    fixtures = getattr(item, "fixturenames", ())
    if "own_servers" in fixtures:
        return _OWN
    if "browser" in fixtures:
        return _BROWSER
    if _is_unit(item):
        return _UNIT
    return _LONG if item.get_closest_marker("thorough") else _QUICK


def _shares_a_module(item: pytest.Item) -> bool:
    """Whether a fixture of the test is made once for its module."""
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 - pytest has no public way
    return any(definitions[-1].scope == "module" for definitions in fixtures)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """Servers that other tests use at the same time."""
    if workerinput := getattr(request.config, "workerinput", None):
        yield ServersOfController(workerinput["door"])
        return
    with running_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def own_servers(request: pytest.FixtureRequest) -> Iterator[EmbeddedServers]:
    """Servers that one test at a time uses: it may kill and pause them, and leaves them running."""
    with last_use.of(request.config).keep("own_servers", embedded_servers()) as servers:
        yield servers


@pytest.fixture(scope="session")
def postgres_dsn(servers: Servers) -> str:
    """The address of a superuser's database."""
    return servers.postgres_dsn


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    """The bootstrap servers."""
    return servers.kafka


@pytest.fixture(scope="session")
def connect_url(servers: Servers) -> str:
    """Kafka Connect's address."""
    return servers.connect_url


@pytest.fixture(scope="session")
async def template(postgres_dsn: str) -> AsyncIterator[str]:
    """The name of a database with the CRM's tables and all migrations, to be cloned."""
    async with new_database(postgres_dsn, "template0") as dsn:
        connection = await asyncpg.connect(dsn)
        await connection.execute(sql("local/crm"))
        await migrate(connection)
        await connection.close()
        yield urlsplit(dsn).path.strip("/")


@pytest.fixture(scope="session")
async def databases(postgres_dsn: str, template: str) -> AsyncIterator[Databases]:
    """Clones of the template, used one after the other."""
    databases = Databases(postgres_dsn, template)
    yield databases
    await databases.close()


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[str]:
    """The address of a database of this test's own, migrated, with the CRM's tables, all empty."""
    async with databases.one() as dsn:
        yield dsn


@pytest.fixture
async def empty_database(postgres_dsn: str) -> AsyncIterator[str]:
    """The address of a database of this test's own with nothing in it."""
    async with new_database(postgres_dsn, "template0") as dsn:
        yield dsn


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Take back what a test has configured: the next tests would write to a file that pytest has closed."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
