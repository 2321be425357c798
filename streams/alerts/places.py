"""Places of keys and values in a TOML text, for messages.

No TOML library for Python gives places: neither tomllib nor tomlkit nor rtoml. The grammar of tree-sitter does, at the
price of two compiled packages. The text must be TOML that tomllib accepts: the locator looks for no mistakes.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

Path = tuple[str | int, ...]
"""The keys and indexes that lead to a value: `("rule", 0, "pairs", 2)`."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}'''  # up to two quotes may stand right before the three that end the text
    r"""|'''.*?'{3,5}"""
    r'''|"(?:\\.|[^"\\])*"'''
    r"""|'[^']*'"""
    r"""|[^\s,\]}#]+(?:[ ]\d\d:[^\s,\]}#]+)?""",  # a date may be parted from its time by a blank
    re.DOTALL,
)


class Place(NamedTuple):
    """A line and a column; both begin with 1, and columns count characters."""

    line: int
    column: int


class Spot(NamedTuple):
    """The places of a key and of its value. An item of an array has no key: both places are the item's."""

    key: Place
    value: Place


def spots_of(text: str) -> Mapping[Path, Spot]:
    """Return the spot of every table, key and item of `text`, which must be TOML without carriage returns."""
    return _Locator(text).document()


def place_at(text: str, offset: int) -> Place:
    """Return the place of the character at `offset`."""
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - before.rfind("\n"))


class _Locator:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._spots: dict[Path, Spot] = {}
        self._tables: dict[Path, int] = {}  # of each array of tables, the number of tables so far

    def document(self) -> Mapping[Path, Spot]:
        table: Path = ()
        while not self._ends():
            table = self._header() if self._next_is("[") else self._pair(table)
        return self._spots

    def _header(self) -> Path:
        """Read `[a.b]` or `[[a.b]]`; return the path of the table that begins."""
        place = self._place()
        many = self._text.startswith("[[", self._at)
        self._at += 2 if many else 1
        *parents, last = (key for key, _ in self._keys())
        self._at += 2 if many else 1
        path: Path = ()
        for key in parents:
            path = self._newest((*path, key))
            self._spots.setdefault(path, Spot(place, place))
        path = (*path, last)
        self._spots.setdefault(path, Spot(place, place))
        if many:
            number = self._tables.get(path, 0)
            self._tables[path] = number + 1
            path = (*path, number)
            self._spots[path] = Spot(place, place)
        return path

    def _newest(self, path: Path) -> Path:
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _pair(self, table: Path) -> Path:
        """Read `key = value` in `table`; return `table`."""
        path = table
        keys = self._keys()
        self._take("=")
        self._blank()
        value = self._place()
        for number, (key, place) in enumerate(keys, start=1):
            path = (*path, key)
            self._spots.setdefault(path, Spot(place, value if number == len(keys) else place))
        self._value(path)
        return table

    def _keys(self) -> list[tuple[str, Place]]:
        """Read a key, dotted or not; return its parts with their places."""
        keys: list[tuple[str, Place]] = []
        while True:
            self._blank()
            place = self._place()
            raw = self._match(_KEY)
            keys.append((_unquoted(raw), place))
            self._blank()
            if not self._next_is("."):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        if self._next_is("["):
            self._array(path)
        elif self._next_is("{"):
            self._at += 1
            while not self._closes("}"):
                self._pair(path)
        else:
            self._match(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while not self._closes("]"):
            place = self._place()
            self._spots[*path, number] = Spot(place, place)
            self._value((*path, number))
            number += 1

    def _closes(self, bracket: str) -> bool:
        """Pass over blanks and a comma; pass over `bracket`, too, if it comes next."""
        self._blank()
        if self._next_is(","):
            self._at += 1
            self._blank()
        if not self._next_is(bracket):
            return False
        self._at += 1
        return True

    def _ends(self) -> bool:
        self._blank()
        return self._at >= len(self._text)

    def _blank(self) -> None:
        self._match(_BLANK)

    def _take(self, character: str) -> None:
        self._blank()
        self._at = self._text.index(character, self._at) + 1

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None  # noqa: S101 - the text is TOML
        self._at = match.end()
        return match[0]

    def _next_is(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    def _place(self) -> Place:
        line = bisect_right(self._line_starts, self._at)
        return Place(line, self._at - self._line_starts[line - 1] + 1)


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    (name,) = tomllib.loads(f"{key} = 0")
    return name
