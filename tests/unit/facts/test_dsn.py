"""Addresses are read as the driver reads them."""

from collections.abc import Iterator

import pytest
from asyncpg import connect_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.dsn import Dsn
from tests.depth import examples

hosts = st.sampled_from(["db", "db.example", "10.0.0.1", "[::1]", "[2001:db8::1]", "%2Frun%2Fpg", "a-b_c"])
ports = st.sampled_from(["", ":5432", ":1", ":65535"])
words = st.sampled_from(["", "me", "p%40ss", "p+q", "%C3%A9", "a%3Ab%2Fc%23d%3Fe"])

DRIVERS_PARSER = "_parse_connect_dsn_and_args"  # private
NOT_GIVEN = (
    "host port user password passfile database ssl service servicefile direct_tls server_settings "
    "target_session_attrs krbsrvname gsslib"
)


@pytest.fixture(scope="module", autouse=True)
def no_defaults_of_the_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "PGHOST",
            "PGPORT",
            "PGUSER",
            "PGPASSWORD",
            "PGDATABASE",
            "PGSSLMODE",
            "PGTARGETSESSIONATTRS",
        ):
            patch.delenv(name, raising=False)
        patch.setenv("PGPASSFILE", "/nowhere")
        yield


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """Draw an address with one or more hosts, in the part of the URL for hosts or among the parameters."""
    user, password, database = draw(words), draw(words), draw(words)
    credentials = f"{user}:{password}@" if user and password else f"{user}@" if user else ""
    parameters = []
    if draw(st.booleans()):
        places = ",".join(draw(st.lists(st.builds("{}{}".format, hosts, ports), min_size=1, max_size=3)))
    else:
        places = ""
        names = draw(
            st.lists(st.sampled_from(["db", "10.0.0.1", "/run/pg", "[::1]"]), min_size=1, max_size=3)
        )
        parameters.append("host=" + ",".join(names))
        if draw(st.booleans()):
            parameters.append("port=" + ",".join(["7"] * draw(st.sampled_from([1, len(names)]))))
    if not password and draw(st.booleans()):
        parameters.append("password=p%20q")
    if not database:
        parameters.append("dbname=other")
    if draw(st.booleans()):
        parameters.append("application_name=me&target_session_attrs=read-write")
    query = "?" + "&".join(parameters) if parameters else ""
    return f"postgresql://{credentials}{places}/{database}{query}"


@given(addresses())
@settings(max_examples=examples(200))
def test_an_address_is_read_as_the_driver_reads_it(address: str) -> None:
    places, told = getattr(connect_utils, DRIVERS_PARSER)(
        dsn=address,
        **dict.fromkeys(NOT_GIVEN.split()),
    )
    read = Dsn.parse(address)
    assert [
        f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
        for host, port in zip(read.hosts, read.ports, strict=True)
    ] == places
    assert read.user in (told.user, None)
    assert read.password == told.password
    assert read.database == told.database
    assert read.parameters.get("target_session_attrs", "any") == told.target_session_attrs.value


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:x@[::1]:5433/crm", "[::1]:5433/crm"),
        ("postgresql://me:x@%2Frun%2Fpg/crm", "/run/pg/crm"),
        ("postgresql:///crm?host=/run/pg&port=5433", "/run/pg/crm"),
        ("postgresql://me:p%40ss@a,b:2/crm?target_session_attrs=read-write", "a:5432,b:2/crm"),
    ],
)
def test_every_host_is_shown_as_it_is_written(address: str, shown: str) -> None:
    assert Dsn.parse(address).address == shown
