"""The rule file: read with every mistake at once, and read again while the program runs."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streams.alerts.addresses import KAFKA
from streams.alerts.mistakes import Mistake, check
from streams.alerts.places import Path as KeyPath
from streams.alerts.places import Place, Spot, place_at, spots_of
from streams.alerts.rules import Rules, built_in
from streams.errors import SettingsError, one_line

LONGEST = 1_000_000
"""The most bytes of a rule file."""
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class WrongRulesError(SettingsError):
    """A rule file cannot be read or has mistakes; each of `mistakes` is a line with file, line and column."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("wrong alert rules:\n  " + "\n  ".join(self.mistakes))


@dataclass(frozen=True)
class Broken:
    """A rule file that cannot be used: the mistakes, and the instant since when it cannot be used."""

    mistakes: tuple[str, ...]
    since: datetime


class RuleFile:
    """The rules of a running program. While the file is broken, the last good rules hold.

    `path` None: the built-in rules. `windows` are the configured window kinds. `broken` tells of a file that cannot be
    used now, for status, a metric and an alert. Raises WrongRulesError if there are no good rules to begin with.
    """

    def __init__(self, path: Path | None, windows: Sequence[str]) -> None:
        self._path = path
        self._windows = tuple(windows)
        self.rules = read_rules(path, windows)
        self.broken: Broken | None = None

    def reload(self, now: datetime) -> bool:
        """Read the file and the secrets again, at the instant `now`. Return True if the rules are other ones now.

        Example: the file breaks at 12:00 and again otherwise at 12:05: `broken` has the second file's mistakes, since
        12:00.
        """
        try:
            rules = read_rules(self._path, self._windows)
        except WrongRulesError as error:
            since = now if self.broken is None else self.broken.since
            self.broken = Broken(error.mistakes, since)
            return False
        self.broken = None
        if rules == self.rules:
            return False
        self.rules = rules
        return True


def read_rules(path: Path | None, windows: Sequence[str]) -> Rules:
    """Return the rules of the file `path`, or the built-in rules for None.

    `windows` are the configured window kinds. Raises WrongRulesError with every mistake of the file. A file that is no
    TOML has a single mistake: the first.
    """
    if path is None:
        return built_in(windows)
    text = _text(path)
    try:
        given = tomllib.loads(text)
        spots = spots_of(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongRulesError([_not_toml(path, text, error)]) from None
    except RecursionError:
        raise WrongRulesError([f"{path}:1:1: lists are nested too deeply"]) from None
    found = check(given, windows, (KAFKA,))
    if isinstance(found, Rules):
        return found
    placed = sorted({(_place(mistake, spots), one_line(mistake.message)) for mistake in found})
    raise WrongRulesError([f"{path}:{place.line}:{place.column}: {message}" for place, message in placed])


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST + 1)
    except OSError as error:
        raise WrongRulesError(
            [f"{path} cannot be read ({error.strerror}): mend FUNNELPROOF_ALERT_RULES"]
        ) from None
    if len(content) > LONGEST:
        raise WrongRulesError([f"{path} has more than {LONGEST} bytes: mend FUNNELPROOF_ALERT_RULES"])
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        place = place_at(before, len(before))
        raise WrongRulesError([f"{path}:{place.line}:{place.column}: is no text in UTF-8"]) from None


def _not_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    match = _TOML_PLACE.search(str(error))
    place = Place(int(match[1]), int(match[2])) if match and match[1] else place_at(text, len(text))
    return f"{path}:{place.line}:{place.column}: is no TOML: {_TOML_PLACE.sub('', one_line(error))}"


def _place(mistake: Mistake, spots: Mapping[KeyPath, Spot]) -> Place:
    """Return the place of the key or value; for a key that is not written, the place of its table."""
    for length in range(len(mistake.path), 0, -1):
        spot = spots.get(mistake.path[:length])
        if spot is not None:
            return spot.key if mistake.at_key else spot.value
    return Place(1, 1)
