import pytest

from streams.completeness.labels import labels_of
from streams.store.labels import Label, Labels

ACME = "aaaaaaaa-0000-4000-8000-00000000000a"
ODD = 'a "b" \\ <c> \x1b[31m\n株式会社 \U0001f600'


def test_rows_of_kind_id_and_name_are_labels_whatever_characters_a_name_has() -> None:
    rows = [("tenant", ACME.upper(), ODD), ("pipeline", ACME, "Sales")]
    labels, strange = labels_of(rows)
    assert set(labels) == {Label("tenant", ACME, ODD), Label("pipeline", ACME, "Sales")}
    assert strange is None


@pytest.mark.parametrize("name", [None, "", " \n"])
def test_a_row_without_a_name_gives_no_label_and_no_mistake(name: str | None) -> None:
    assert labels_of([("tenant", ACME, name)]) == ([], None)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (("tennant", ACME, "x"), "the kind 'tennant' is neither tenant nor pipeline"),
        ((None, ACME, "x"), "the kind None is neither"),
        (("tenant", "7", "x"), "the id '7' is no UUID"),
        (("tenant", None, "x"), "the id None is no UUID"),
        (("tenant", ACME, "Zeta"), f"tenant {ACME} has two names, 'Acme' and 'Zeta'"),
    ],
)
def test_a_row_that_is_no_label_is_told_and_the_others_count(
    row: tuple[str | None, str | None, str | None], told: str
) -> None:
    labels, strange = labels_of([row, ("tenant", ACME, "Acme")])
    assert labels == [Label("tenant", ACME, "Acme")]
    assert strange is not None
    assert strange.startswith(f"1 of 2 rows cannot be used, the first because {told}")


def test_who_has_no_label_is_called_by_both_ends_of_the_id() -> None:
    labels = Labels({ACME: "Acme"})
    assert labels.tenant(ACME) == "Acme"
    assert labels.pipeline(ACME) == "aaaaaaaa…000a"
