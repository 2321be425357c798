"""The units for systemd: their commands exist, systemd understands them, and they give the programs few rights."""

import configparser
import ctypes
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings import PREFIX, Settings
from tests.programs import untraced
from tests.unit.docs.pages import DOCS
from tests.unit.docs.test_commands import wrong

FOLDER = Path(__file__).parents[3] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
COMMANDS = {
    "funnelproof": "run",
    "funnelproof-alerts": "alerts run",
    "funnelproof-dashboard": "dashboard",
    "funnelproof-reconcile": "reconcile",
    "funnelproof-worker@": "worker",
}
PROGRAM = "/opt/funnelproof/bin/funnelproof"
WORST_EXPOSURE = 20
"""Tenths on the scale of `systemd-analyze security`, from 0 to 100."""
DENY_WRITE_EXECUTE = 65
"""PR_SET_MDWE: what MemoryDenyWriteExecute= asks of the kernel."""

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


class Unit(configparser.RawConfigParser):
    """A unit's options; of an option that is given several times, the last."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False)
        self.read_string(path.read_text("utf-8"))

    def optionxform(self, optionstr: str) -> str:
        """Keep capital letters."""
        return optionstr


def analyze() -> str:
    """Return systemd's own checker, or skip the test."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("no systemd-analyze is installed: apt-get install systemd")
    return found


def installed(unit: Path, folder: Path) -> Path:
    """Return a copy of the unit whose program is there; a template is instantiated."""
    own = Path(sys.executable).with_name("funnelproof")
    copy = folder / unit.name.replace("@.", "@9464.")
    copy.write_text(unit.read_text("utf-8").replace(PROGRAM, str(own)), "utf-8")
    return copy


def test_each_program_that_goes_on_has_a_unit() -> None:
    assert {unit.stem for unit in UNITS} == COMMANDS.keys()


@each_unit
def test_the_command_of_a_unit_exists_with_its_options(unit: Path) -> None:
    program, *words = Unit(unit)["Service"]["ExecStart"].split()
    command = " ".join(word.replace("%i", "9464") for word in words if not word.startswith("$"))
    assert program == PROGRAM
    assert re.match(rf"{COMMANDS[unit.stem]}\b", command)
    assert wrong(f"funnelproof {command}", complete=True) is None


@each_unit
def test_the_options_and_settings_that_a_unit_names_exist(unit: Path) -> None:
    text = unit.read_text("utf-8")
    examples = re.findall(r"for example \w+_OPTIONS=(.+) in", text)
    assert len(examples) == text.count("_OPTIONS=\n")
    assert [wrong(f"funnelproof {COMMANDS[unit.stem]} {words}", complete=True) for words in examples] == [
        None
    ] * len(examples)
    named = {name.lower() for name in re.findall(rf"{PREFIX}(\w+)", text)}
    assert named
    assert named <= Settings.model_fields.keys()


@each_unit
def test_a_program_that_ends_is_started_again_and_has_time_to_stop(unit: Path) -> None:
    options = Unit(unit)
    assert (options["Service"]["Restart"], options["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
    assert int(options["Service"]["TimeoutStopSec"]) > 20
    assert (options["Service"].get("KillMode") == "mixed") == (unit.stem == "funnelproof")


@each_unit
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [analyze(), "verify", "--man=no", installed(unit, tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@each_unit
def test_a_unit_gives_its_program_few_rights(unit: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(analyze(), "security", "--offline=yes", f"--threshold={WORST_EXPOSURE}"),
            installed(unit, tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_programs_do_without_memory_that_is_writable_and_executable() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    modules = (
        "streams.app, streams.worker, streams.alerts.service, streams.web.site, confluent_kafka, apprise"
    )
    program = f"import {modules}, numpy; numpy.linalg.inv(numpy.eye(3))"

    def deny() -> None:
        libc.prctl(DENY_WRITE_EXECUTE, 1, 0, 0, 0)

    if sys.platform != "linux" or not _denies(deny):
        pytest.skip("this kernel cannot deny such memory")
    assert "MemoryDenyWriteExecute=yes" in (FOLDER / "funnelproof.service").read_text("utf-8")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=untraced(),
        preexec_fn=deny,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _denies(deny: Callable[[], None]) -> bool:
    maps = "import mmap; mmap.mmap(-1, 4096, prot=7)"
    done = subprocess.run(
        [sys.executable, "-c", maps],
        preexec_fn=deny,
        capture_output=True,
        check=False,
    )
    return done.returncode != 0


def test_the_documentation_names_every_unit() -> None:
    page = (DOCS / "installation.md").read_text("utf-8")
    assert [unit.name for unit in UNITS if f"`{unit.name}`" not in page] == []
