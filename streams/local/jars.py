"""The jars of Kafka, Kafka Connect and Debezium: listed in jars.lock, fetched once, checked at every start."""

import hashlib
import os
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree as ET

import certifi
import httpx
from jgo.constants import MAVEN_CENTRAL_URL
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from streams.errors import UnreachableError
from streams.local import folders

MIRROR_VARIABLE = "MAVEN_REPO_URL"
_AT_A_TIME = 6
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Jar:
    """A line of jars.lock: Maven coordinates, size in bytes, SHA-256."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @classmethod
    def parse(cls, line: str) -> "Jar":
        """Read `group:artifact:version size sha256`. Raises ValueError for any other line."""
        coordinates, size, sha256 = line.split()
        group, artifact, version = coordinates.split(":")
        return cls(group, artifact, version, int(size), sha256)

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version} {self.size} {self.sha256}"

    @property
    def name(self) -> str:
        """The file name."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """The jar's path in a Maven repository, relative to the repository's root."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"

    def is_in(self, file: Path) -> bool:
        """Return true if the file holds the whole, unchanged jar."""
        try:
            with file.open("rb") as content:
                return hashlib.file_digest(content, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


def locked_jars() -> list[Jar]:
    """Return the jars of the lock file that ships with the program."""
    lines = resources.files("streams.local").joinpath("jars.lock").read_text("utf-8").splitlines()
    return [Jar.parse(line) for line in lines if line and not line.startswith("#")]


class JarCache:
    """A folder of jars. A missing or damaged jar comes from the local Maven repository or from the network."""

    def __init__(
        self,
        jars: Iterable[Jar] | None = None,
        folder: Path | None = None,
        console: Console | None = None,
        maven_home: Path | None = None,
    ) -> None:
        self._jars = locked_jars() if jars is None else list(jars)
        self._folder = folder or folders.cache_dir() / "jars"
        self._console = console or Console(stderr=True)
        self._maven_home = maven_home or Path.home() / ".m2"
        self._checked = False

    def class_path(self) -> list[Path]:
        """Return the paths of all jars, after fetching the jars that the cache lacks.

        Raises UnreachableError for a jar that cannot be downloaded.
        """
        if not self._checked:
            folders.make(self._folder)
            self._fetch([jar for jar in self._jars if not jar.is_in(self._folder / jar.name)])
            self._checked = True
        return [self._folder / jar.name for jar in self._jars]

    def _fetch(self, missing: list[Jar]) -> None:
        to_download = [jar for jar in missing if not self._copy(jar)]
        if not to_download:
            return
        base = repository_url(self._maven_home / "settings.xml")
        bar = Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=self._console)
        abandoned = threading.Event()
        with (
            bar,
            httpx.Client(follow_redirects=True, timeout=30, verify=_trusted()) as client,
            ThreadPoolExecutor(_AT_A_TIME) as pool,
        ):
            task = bar.add_task(
                f"{len(to_download)} jars for Kafka", total=sum(jar.size for jar in to_download)
            )

            def progress(received: int) -> None:
                bar.advance(task, received)
                if abandoned.is_set():
                    raise InterruptedError

            downloads = [
                pool.submit(self._download, client, f"{base}/{jar.path}", jar, progress)
                for jar in to_download
            ]
            try:
                for download in as_completed(downloads):
                    download.result()
            except BaseException:  # the first failure, or Ctrl-C, ends every download
                abandoned.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _copy(self, jar: Jar) -> bool:
        """Copy the jar from the local Maven repository; return false if the right file is not there."""
        file = self._maven_home / "repository" / jar.path
        return file.exists() and self._keep(jar, [file.read_bytes()])

    def _download(self, client: httpx.Client, url: str, jar: Jar, progress: Callable[[int], None]) -> None:
        def chunks(answer: httpx.Response) -> Iterator[bytes]:
            for chunk in answer.iter_bytes():
                yield chunk
                progress(len(chunk))

        problem = ""
        for _ in range(_TRIES):
            try:
                with client.stream("GET", url) as answer:
                    if self._keep(jar, chunks(answer.raise_for_status())):
                        return
                problem = "the content is not what jars.lock expects"
            except httpx.HTTPStatusError as error:
                problem = f"status {error.response.status_code}"
            except httpx.HTTPError as error:
                problem = str(error) or type(error).__name__
        raise UnreachableError(
            f"cannot download {url}: {problem}. Kafka needs its jars once: connect to the internet,"
            f" or set {MIRROR_VARIABLE} to a Maven repository that can be reached"
        )

    def _keep(self, jar: Jar, content: Iterable[bytes]) -> bool:
        """Put the jar into the cache in a single step, so nobody sees half a jar.

        Content with another checksum is dropped; the answer is then false.
        """
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            unfinished = Path(folder) / jar.name
            with unfinished.open("wb") as file:
                file.writelines(content)
            right = jar.is_in(unfinished)
            if right:
                unfinished.replace(self._folder / jar.name)
        return right


def repository_url(maven_settings: Path) -> str:
    """Return the Maven repository to download from: MAVEN_REPO_URL, the user's mirror, or Maven Central."""
    return (os.environ.get(MIRROR_VARIABLE) or _mirror(maven_settings) or MAVEN_CENTRAL_URL).rstrip("/")


def _mirror(maven_settings: Path) -> str | None:
    """Return the mirror of Maven Central that the user's Maven settings name, or None."""
    try:
        root = ET.parse(maven_settings).getroot()  # noqa: S314 - the user's own file
    except (OSError, ET.ParseError):
        return None
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        of = (mirror.findtext("{*}mirrorOf") or "").split(",")
        if {"*", "central", "external:*"} & set(of) and "!central" not in of:
            return mirror.findtext("{*}url")
    return None


def _trusted() -> ssl.SSLContext:
    """Trust the system's certificates, perhaps extended by a company, and the certificates of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
