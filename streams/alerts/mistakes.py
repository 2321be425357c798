"""Mistakes in rules, in words: what pydantic found, and what pydantic cannot see."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from streams.alerts.addresses import RECEIVERS
from streams.alerts.places import Path
from streams.alerts.rules import KINDS, CommonKeys, Known, Rules

_KIND_WORDS = "write drop, traffic or below"
_WORDS = {
    "missing": "is missing",
    "string_type": "is no text: write it in quotes",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "tuple_type": 'is no list: write it as ["..."]',
    "string_pattern_mismatch": "is no word of lower-case letters, digits, _ and -",
    "greater_than_equal": "is too small: give 1 or more",
    "int_type": "is no whole number",
    "model_type": "is no table",
    "model_attributes_type": "is no table",
    "dict_type": "is no table",
    "receiver_type": "is no table",
    "union_tag_not_found": f"is missing: {_KIND_WORDS}",
    "union_tag_invalid": f"is no kind of rule: {_KIND_WORDS}",
    "url_parsing": "is no address: write https://host/path",
    "url_scheme": "is no address: write https://host/path",
    "url_type": "is no text: write it in quotes",
}
"""Words for an error of pydantic, by the error's type; other errors say enough."""


class Mistake(NamedTuple):
    """A mistake: the path of the value, or of the key with `at_key`, and a line that says what to do."""

    path: Path
    message: str
    at_key: bool = False


def check(given: Mapping[str, Any], windows: Sequence[str], always: Sequence[str]) -> Rules | list[Mistake]:
    """Return the rules, or all mistakes of the parsed file `given`.

    `windows` are the configured window kinds; `always` are the receivers that need no table.
    """
    receivers = given.get("receivers")
    named = list(receivers) if isinstance(receivers, Mapping) else []
    known = Known(windows, (*always, *named))
    mistakes = [
        Mistake(
            ("receivers", name),
            f"{name}: is a receiver that is always there: choose another name",
            at_key=True,
        )
        for name in named
        if name in always
    ]
    mistakes += _of_names(given)
    try:
        rules = Rules.model_validate(given, context=known)
    except ValidationError as error:
        return [*mistakes, *_of_pydantic(error, given, known)]
    return mistakes or rules


def _of_names(given: Mapping[str, Any]) -> Iterator[Mistake]:
    seen: set[str] = set()
    rules = given.get("rule")
    for number, rule in enumerate(rules if isinstance(rules, list) else ()):
        name = rule.get("name") if isinstance(rule, Mapping) else None
        if isinstance(name, str):
            if name in seen:
                yield Mistake(
                    ("rule", number, "name"),
                    f'name: another rule is called "{name}", too: give each its own name',
                )
            seen.add(name)


def _of_pydantic(error: ValidationError, given: Mapping[str, Any], known: Known) -> Iterator[Mistake]:
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        kind, path = problem["type"], _path(problem["loc"])
        match kind:
            case "extra_forbidden":
                yield Mistake(path, f"{path[-1]}: {_strange(path, given)}", at_key=True)
            case "union_tag_invalid" | "union_tag_not_found":
                yield Mistake((*path, "kind"), f"kind: {_WORDS[kind]}")
                yield from _of_the_others(path, given, known)
            case "tuple_type" if path == ("rule",):
                yield Mistake(path, "rule: is no list of rules: write [[rule]], with two brackets")
            case _ if path[-1:] == ("[key]",):
                yield Mistake(
                    path[:-1],
                    f"{path[-2]}: is no name of a receiver: use letters, digits and _ . -",
                    at_key=True,
                )
            case _:
                words = _WORDS.get(kind, problem["msg"].removeprefix("Value error, "))
                yield Mistake(path, f"{_key(path)}: {words}")


def _of_the_others(path: Path, given: Mapping[str, Any], known: Known) -> Iterator[Mistake]:
    """Yield the mistakes in the keys that every rule has, for a rule whose kind is unknown."""
    rule: Any = given["rule"][path[1]]
    try:
        CommonKeys.model_validate(rule, context=known)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            if problem["type"] != "extra_forbidden":
                below = tuple(problem["loc"])
                words = _WORDS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
                yield Mistake((*path, *below), f"{_key(below)}: {words}")


def _path(location: Sequence[str | int]) -> Path:
    """Return the path in the file: pydantic's location without the name of the chosen kind."""
    return (*location[:2], *location[3:]) if len(location) > 2 and location[2] != "[key]" else tuple(location)


def _key(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _strange(path: Path, given: Mapping[str, Any]) -> str:
    """Say why there is no such key: it belongs to another kind, or is misspelt."""
    name = str(path[-1])
    model, others = _model(path, given)
    owners = [kind for kind, other in others.items() if name in keys_of(other)]
    if owners:
        return f"belongs to {' and '.join(owners)} alone: delete it, or change the kind"
    guesses = get_close_matches(name, keys_of(model), n=1)
    return f"no such key, did you mean {guesses[0]}?" if guesses else "no such key"


def _model(path: Path, given: Mapping[str, Any]) -> tuple[type[BaseModel], Mapping[str, type[BaseModel]]]:
    """Return the model that refused the key at `path`, and its siblings."""
    if len(path) < 2:
        return Rules, {}
    siblings: Mapping[str, type[BaseModel]] = KINDS if path[0] == "rule" else RECEIVERS
    there = given[str(path[0])][path[1]]
    chosen = there["kind"] if path[0] == "rule" else next(kind for kind in RECEIVERS if kind in there)
    return siblings[chosen], siblings


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table as a file has them."""
    return [field.alias or name for name, field in model.model_fields.items()]
