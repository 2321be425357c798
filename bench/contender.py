"""What the benchmark knows of a contender: how it is made ready, started, and how far it has come."""

from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from bench.dataset import Dataset, new_topic
from bench.statements import statement
from streams.store.database import OwnConnection

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Course:
    """One run: where the events lie, where the result goes, and a folder of the run's own."""

    dataset: Dataset
    facts_dsn: str
    folder: Path
    group: str = field(default_factory=lambda: f"run{uuid4().hex[:12]}")  # no run knows another's offsets

    @property
    def first_mark(self) -> Path:
        """The file that a contender makes when it has its first record."""
        return self.folder / "first"

    @property
    def log(self) -> Path:
        """The file that holds what the contender prints."""
        return self.folder / "log"

    def environment(self) -> dict[str, str]:
        """Return what the contenders' own programs read."""
        return {
            "BENCH_KAFKA": self.dataset.servers.kafka,
            "BENCH_TOPIC": self.dataset.topic,
            "BENCH_FACTS": self.facts_dsn,
            "BENCH_GROUP": self.group,
            "BENCH_STATE": str(self.folder),
            "BENCH_FIRST": str(self.first_mark),
        }


def new_course(dataset: Dataset, facts_dsn: str, folder: Path) -> Course:
    """Make the folder of a new run."""
    folder.mkdir(parents=True)
    return Course(dataset, facts_dsn, folder)


class Contender(Protocol):
    """An engine, in the mode named by `mode`."""

    name: str
    mode: str
    durable: str
    """Whether its result is exact after kill -9, as its documentation promises it for this mode."""
    share: Fraction
    """The part of the work that it is given."""

    def prepare(self) -> None:
        """Install or compile what it runs on; raises FunnelproofError where that fails."""

    async def enter(self, course: Course) -> None:
        """Do what has to be done before its start, and is not measured."""

    def command(self, course: Course) -> list[str | Path]:
        """Return the program to be run."""

    def environment(self, course: Course) -> dict[str, str]:
        """Return what the program finds in its environment."""

    async def began(self, course: Course, facts: OwnConnection) -> bool:
        """Whether it has its first record."""

    async def reached(self, course: Course, facts: OwnConnection) -> float:
        """Return the part of the work that is in its result, about; 1 when it may be complete."""


@dataclass
class Peer:
    """What the contenders other than funnelproof have in common: a program here that writes `bench.facts`."""

    name: str
    mode: str
    durable: str
    share: Fraction = Fraction(1)
    changelogs: tuple[str, ...] = ()
    """Tables whose changelog topics are made for it: it might not wait until those that it makes are there."""

    async def enter(self, course: Course) -> None:
        """Make the changelog topics."""
        for table in self.changelogs:
            new_topic(course.dataset.servers.kafka, f"{course.group}-{table}-changelog", timedelta(0))

    def environment(self, course: Course) -> dict[str, str]:
        """Return what all of them read."""
        return course.environment()

    async def began(self, course: Course, facts: OwnConnection) -> bool:
        """Whether it has said that it has its first record."""
        del facts
        return course.first_mark.exists()

    async def reached(self, course: Course, facts: OwnConnection) -> float:
        """Return the part of the expected entries that it has counted."""
        counted: int = await facts.fetchval(statement("reached"))
        return counted / course.dataset.entries


async def differences(facts: OwnConnection) -> int:
    """Return how many rows of the result are not as expected."""
    found: int = await facts.fetchval(statement("differences"))
    return found
