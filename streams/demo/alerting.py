"""The demo's means to evaluate alerts: a rule file, and an Alertmanager where one is installed."""

import os
import shutil
from pathlib import Path

from streams.demo.mishaps import LENGTH
from streams.listening import url_of
from streams.local import ports
from streams.supervising.program import Program
from streams.supervising.tether import OTHER

_PROGRAMS = ("prometheus-alertmanager", "alertmanager")
_RULE = f"""\
[[rule]]
name = "conversion drops"
kind = "drop"
window = "{LENGTH:g}s"
drop = "50%%"
false_alarms = "1 per pipeline per day"
receivers = [%s]
"""
_RECEIVER = """\
[receivers.alertmanager]
alertmanager = "%s"

"""
_CONFIG = """\
route: {receiver: page}
receivers: [{name: page}]
"""


def alertmanager(folder: Path) -> tuple[Program, str] | None:
    """Return an Alertmanager that sends nothing and its address, or None where no Alertmanager is installed."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        return None
    (port,) = ports.claim(folder / "alertmanager.port", 1)
    (folder / "alertmanager.yml").write_text(_CONFIG, "utf-8")
    command = [
        OTHER,
        program,
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/alertmanager",
        f"--web.listen-address={ports.HOST}:{port}",
        "--cluster.listen-address=",
    ]
    return Program("alertmanager", command, os.environ, folder, needed=False), url_of(ports.HOST, port)


def write_rules(file: Path, address: str | None) -> None:
    """Write the rule file; `address` is that of the Alertmanager, None without one."""
    receivers = '"kafka"' if address is None else '"kafka", "alertmanager"'
    rules = ("" if address is None else _RECEIVER % address) + _RULE % receivers
    file.write_text(rules, "utf-8")
