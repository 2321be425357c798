"""What the demo evaluates alerts with: a rule file, and an Alertmanager where one is installed."""

import shutil
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from streams.demo.mishaps import LENGTH
from streams.demo.process import DemoProcess
from streams.local import ports

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


async def start_alerting(
    stack: AsyncExitStack, settings: Mapping[str, str], folder: Path
) -> tuple[DemoProcess, str | None]:
    """Run `funnelproof alerts run` until `stack` ends.

    Return the process, and the address of the Alertmanager, None without one.
    """
    url = await _start_alertmanager(stack, folder)
    receivers = '"kafka"' if url is None else '"kafka", "alertmanager"'
    rules = ("" if url is None else _RECEIVER % url) + _RULE % receivers
    (folder / "alert-rules.toml").write_text(rules, "utf-8")
    process = DemoProcess("alerts", ["alerts", "run"], settings, folder)
    return await stack.enter_async_context(process), url


async def _start_alertmanager(stack: AsyncExitStack, folder: Path) -> str | None:
    """Run an Alertmanager that shows alerts on its page and sends nothing; return its address, None without one."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        return None
    (port,) = ports.claim(folder / "alertmanager.port", 1)
    (folder / "alertmanager.yml").write_text(_CONFIG, "utf-8")
    command = [
        "--",
        program,
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/alertmanager",
        f"--web.listen-address={ports.HOST}:{port}",
        "--cluster.listen-address=",
    ]
    await stack.enter_async_context(DemoProcess("alertmanager", command, {}, folder))
    return f"http://{ports.HOST}:{port}"
