"""The list of mutants: faults that somebody might build in, each with the tests that catch the fault."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutants.toml")


class MovedError(Exception):
    """The code that a mutant changes is not where the list says."""


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault: `new` takes the place of `old` in `file`. The name says the fault in a sentence.

    `tests` are files or tests; one of them fails. `thorough`: `make check` catches the fault, and `make test` does not.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    thorough: bool = False

    @property
    def run(self) -> str:
        """The shortest run that catches the fault."""
        return "`make check`" if self.thorough else "`make test`"

    @property
    def needs_servers(self) -> bool:
        """True if a test of the mutant needs servers."""
        return not all(test.startswith("tests/unit/") for test in self.tests)

    def applied(self, root: Path) -> str:
        """Return the text of the file with the fault. Raises MovedError unless `old` occurs exactly once."""
        text = (root / self.file).read_text("utf-8")
        if (count := text.count(self.old)) != 1:
            raise MovedError(
                f"{self.name!r}: {self.file} has {count} times {self.old!r}, and not once: write down in {LIST.name} "
                "where the code is now"
            )
        return text.replace(self.old, self.new)


def mutants() -> dict[str, list[Mutant]]:
    """Return the mutants by subject."""
    return msgspec.toml.decode(LIST.read_bytes(), type=dict[str, list[Mutant]])


def page_table(subjects: dict[str, list[Mutant]]) -> str:
    """Return the table of `docs/decisions/mutants.md`."""
    rows = (
        f"| {subject} | {each.name} | {_told(each.tests)} | {each.run} |"
        for subject, some in subjects.items()
        for each in some
    )
    return "\n".join(["| subject | fault | caught by | run |", "|---|---|---|---|", *rows])


def _told(tests: Sequence[str]) -> str:
    return ", ".join(f"`{test.rpartition('/')[2]}`" for test in tests)
