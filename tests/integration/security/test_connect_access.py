"""Kafka Connect behind https and a password: calls that are let in, or one line that says what is wrong."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tests.certificates import Authority
from tests.fronts import Front
from tests.integration.security.conftest import LOGIN, QUOTED, SECRET, Commands, Told


def test_connect_is_reached_with_a_password_and_a_private_authority_or_the_reason_is_told(
    commands: Callable[[Commands], dict[str, Told]],
    connect_url: str,
    authority: Authority,
    certificate: Path,
    fronts: Callable[[Front], int],
    tmp_path: Path,
) -> None:
    url = urlsplit(connect_url)
    target = url.hostname or "", url.port or 0
    port = fronts(Front(target, certificate, login=LOGIN))
    expired = fronts(Front(target, authority.issue("expired", "127.0.0.1", expired=True)))
    trusted = {"CONNECT_CA": str(authority.file), "INSTANCE": "nobodys"}
    right = trusted | {
        "CONNECT_URL": f"https://127.0.0.1:{port}",
        "CONNECT_USERNAME": "steward",
        "CONNECT_PASSWORD": SECRET,
    }
    in_url = trusted | {"CONNECT_URL": f"https://steward:{QUOTED}@127.0.0.1:{port}"}
    cases = {
        "right": right,
        "in the URL": in_url,
        "wrong password": right | {"CONNECT_USERNAME": "nobody"},
        "no password": trusted | {"CONNECT_URL": f"https://127.0.0.1:{port}"},
        "untrusted": right | {"CONNECT_CA": str(Authority(tmp_path).file)},
        "expired": in_url | {"CONNECT_URL": f"https://steward:{QUOTED}@127.0.0.1:{expired}"},
        "clear": {"CONNECT_URL": f"http://steward:{QUOTED}@127.0.0.1:{port}"},
        "nobody": {"CONNECT_URL": f"http://steward:{QUOTED}@127.0.0.1:1"},
    }
    told = commands({name: ("connector status --json", settings) for name, settings in cases.items()})
    for name in ("right", "in the URL"):
        assert told[name].status == 1, told[name]
        assert '"ABSENT"' in told[name].out
    for name, part in {
        "wrong password": "refuses calls with this password of nobody: set FUNNELPROOF_CONNECT_USERNAME",
        "no password": "refuses calls without a user",
        "untrusted": "certificate that is not trusted (unable to get local issuer certificate)",
        "expired": "certificate that is not trusted (certificate has expired)",
        "clear": "whether it wants https://",
        "nobody": "does not answer at http://127.0.0.1:1:",
    }.items():
        assert told[name].status == 2, told[name]
        assert part in told[name].err, told[name]
        assert told[name].err.count("\n") == 1, told[name]
        assert not told[name].out
