import socket
from pathlib import Path

from streams.local import ports


def test_ports_are_chosen_once_and_kept(tmp_path: Path) -> None:
    chosen = ports.claim(tmp_path / "ports.json", 2)
    assert len(set(chosen)) == 2
    assert ports.claim(tmp_path / "ports.json", 2) == chosen == ports.read(tmp_path / "ports.json")


def test_a_kept_port_that_somebody_else_took_is_given_up(tmp_path: Path) -> None:
    (port,) = ports.claim(tmp_path / "ports.json", 1)
    with socket.create_server((ports.HOST, port)):
        (other,) = ports.claim(tmp_path / "ports.json", 1)
    assert other != port
    assert ports.read(tmp_path / "ports.json") == [other]


def test_no_port_is_known_before_the_first_start(tmp_path: Path) -> None:
    assert ports.read(tmp_path / "ports.json") == []
