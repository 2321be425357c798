"""The programs of one machine, and their addresses."""

import pytest

from streams.errors import SettingsError
from streams.operations.one_machine import WORKER_URL, OneMachine, Site, web_sites


def site(port: int, host: str = "127.0.0.1") -> Site:
    return Site(host, port)


def machine(**environment: str) -> OneMachine:
    return OneMachine(environment, [site(1), site(2)], alerts=site(3), every="15m", page=site(8800))


def test_every_program_has_its_command_and_an_address_of_its_own() -> None:
    assert {program.name: " ".join(program.command) for program in machine().programs()} == {
        "worker-1": "worker --web-host 127.0.0.1 --web-port 1",
        "worker-2": "worker --web-host 127.0.0.1 --web-port 2",
        "alerts": "alerts run --web-host 127.0.0.1 --web-port 3",
        "reconcile": "reconcile --every 15m",
        "page": "dashboard --host 127.0.0.1 --port 8800",
    }


def test_workers_alone_are_needed_and_the_reconciliation_lets_them_start_first() -> None:
    programs = machine().programs()
    assert [program.name for program in programs if program.needed] == ["worker-1", "worker-2"]
    assert [program.name for program in programs if program.delay] == ["reconcile"]


def test_what_is_not_wanted_does_not_run() -> None:
    assert [program.name for program in OneMachine({}, [site(1)]).programs()] == ["worker-1"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104 - an address of a test
        ("::", "http://[::1]:1"),
        ("10.0.0.7", "http://10.0.0.7:1"),
    ],
)
def test_the_page_asks_the_first_worker_for_the_events_of_a_deal(host: str, url: str) -> None:
    (_, page) = OneMachine({}, [site(1, host)], page=site(8800)).programs()
    assert page.environment == {WORKER_URL: url}


def test_the_worker_that_the_user_names_wins_and_others_keep_the_user_s_environment() -> None:
    worker, *_, page = machine(**{WORKER_URL: "http://worker:1", "PATH": "/bin"}).programs()
    assert page.environment == worker.environment == {WORKER_URL: "http://worker:1", "PATH": "/bin"}


def test_two_sites_on_one_port_are_refused() -> None:
    with pytest.raises(SettingsError, match="worker-1 and page cannot both listen on port 8800"):
        OneMachine({}, [site(8800)], page=site(8800))


def test_web_sites_have_the_ports_from_the_first_on_or_free_ones() -> None:
    assert [each.port for each in web_sites("127.0.0.1", 9464, 3)] == [9464, 9465, 9466]
    assert len({each.port for each in web_sites("127.0.0.1", 0, 20)}) == 20
    with pytest.raises(SettingsError, match="2 web sites need 2 ports from 65535 on"):
        web_sites("127.0.0.1", 65535, 2)
