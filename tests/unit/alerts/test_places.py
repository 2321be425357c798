"""The locator finds what tomllib reads, where it stands."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.alerts.places import Path, Place, spots_of
from tests.depth import examples

TEXT = '''\
# a comment with "quotes" and [brackets]
title = "a # in a text"   # and a comment

[receivers.sales-ops]
apprise = """
several ""lines""" # a text over lines
[receivers."on call"]
alertmanager = 'http://127.0.0.1:9093'

[[rule]]
name = "ä\\"=]"
pairs = [
  "Qualified -> Demo",  # one
  ["a -> b", 'c'],
]
[[rule]]
inline = { deep.key = 1, list = [{ x = 1979-05-27 07:32:00 }, 2] }
  [rule.table]
  n.m = -1e5
'''


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("title",), (2, 1), (2, 9)),
        (("receivers",), (4, 1), (4, 1)),
        (("receivers", "sales-ops"), (4, 1), (4, 1)),
        (("receivers", "sales-ops", "apprise"), (5, 1), (5, 11)),
        (("receivers", "on call", "alertmanager"), (8, 1), (8, 16)),
        (("rule", 0), (10, 1), (10, 1)),
        (("rule", 0, "name"), (11, 1), (11, 8)),
        (("rule", 0, "pairs", 1), (14, 3), (14, 3)),
        (("rule", 0, "pairs", 1, 1), (14, 14), (14, 14)),
        (("rule", 1), (16, 1), (16, 1)),
        (("rule", 1, "inline", "deep", "key"), (17, 17), (17, 23)),
        (("rule", 1, "inline", "list", 0, "x"), (17, 36), (17, 40)),
        (("rule", 1, "inline", "list", 1), (17, 63), (17, 63)),
        (("rule", 1, "table"), (18, 3), (18, 3)),
        (("rule", 1, "table", "n", "m"), (19, 5), (19, 9)),
    ],
)
def test_a_key_and_its_value_have_a_line_and_a_column(
    path: Path, key: tuple[int, int], value: tuple[int, int]
) -> None:
    assert spots_of(TEXT)[path] == (Place(*key), Place(*value))


def paths(value: Any, path: Path = ()) -> set[Path]:  # noqa: ANN401 - anything that tomllib reads
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path, *(each for key, item in below for each in paths(item, (*path, key)))}


def test_every_value_that_tomllib_reads_has_a_place() -> None:
    assert spots_of(TEXT).keys() | {()} == paths(tomllib.loads(TEXT))


BARE = st.sampled_from(["a", "b-c", "1", '"x.y"', "'#'", '"\\"]"', '""', "'= ['"])
SCALARS = st.sampled_from(
    [
        *("1", "-0.5e3", "true", "1979-05-27", "1979-05-27 07:32:00", "07:32:00"),
        *('"a,]}#"', '"\\\\"', '""', "'\\'", "''"),
        *('""""""', '"""a\n"b"""""', '"""\\\\"""', '"""\\"""  """', "''''''", "'''a\n]'''''"),
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda values: (
        st.lists(values, max_size=3).map(lambda items: "[" + ", # ]\n".join(items) + "\n]")
        | st.dictionaries(BARE, values, max_size=3).map(
            lambda items: "{" + ", ".join(f"{key} = {value}" for key, value in items.items()) + "}"
        )
    ),
    max_leaves=8,
)
PAIRS = st.lists(st.tuples(BARE, VALUES), max_size=4, unique_by=lambda pair: pair[0]).map(
    lambda pairs: "".join(f"  {key}\t= {value} # c\n" for key, value in pairs)
)
TABLES = st.tuples(BARE, st.booleans(), PAIRS, PAIRS).map(
    lambda table: (
        f"[[ t.{table[0]} ]]\n{table[2]}[t . {table[0]}.sub]\n{table[3]}"
        if table[1]
        else f"[u{table[3] and '.z'}.{table[0]}]\n{table[2]}"
    )
)


@settings(max_examples=examples(80))
@given(st.lists(TABLES, max_size=4).map("".join), PAIRS)
def test_whatever_tomllib_reads_has_a_place(tables: str, pairs: str) -> None:
    text = pairs + tables
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a table twice
        return
    assert spots_of(text).keys() | {()} == paths(read)
