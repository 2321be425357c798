"""The streams that a rule covers: by id, by label or "*"; and what of a rule is invalid."""

from itertools import pairwise
from typing import Any

import pytest

from streams.alerts.rules import Rule, Rules
from streams.alerts.scope import Coverage, Funnel, Funnels, cover
from streams.domain.change import Scope
from streams.store.labels import Labels

ACME, OTHER = (f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in "ab")
SALES, RENEWALS, SALES_TOO = (f"bbbbbbbb-0000-4000-8000-00000000000{n}" for n in "abc")


def stage(pipeline: str, letter: str) -> str:
    return f"cccccccc-0000-4000-8000-00000000{pipeline[-1]}00{letter}"


def funnel(tenant: str, pipeline: str, **stages: str) -> Funnel:
    """A pipeline with stages of these names, by letters; each stage is paired with the next."""
    ids = [stage(pipeline, letter) for letter in stages]
    names = dict(zip(ids, stages.values(), strict=True))
    return Funnel(Scope(tenant, pipeline), names, list(pairwise(ids)))


LABELS = Labels(
    {ACME: "Acme", OTHER: 'Öther "& Sons" \\ 株式会社'},
    {SALES: "Sales", RENEWALS: " Renewals ", SALES_TOO: "Sales"},
)
FUNNELS = [
    funnel(ACME, SALES, a="Lead", b="Qualified", c="Demo", d="Won"),
    funnel(ACME, RENEWALS, a="Due", b="Won"),
    funnel(OTHER, SALES_TOO, a="Lead", b="Demo", c="Demo"),
]
KNOWN = Funnels(FUNNELS, LABELS)


def rule(**keys: Any) -> Rule:  # noqa: ANN401 - whatever a file may have
    (made,) = Rules.model_validate({"rule": [{"name": "a", "kind": "drop"} | keys]}).rule
    return made


def streams(coverage: Coverage) -> set[str]:
    """Return the streams as `pipeline: from to`, by the last letters of the ids."""
    return {
        f"{each.scope.pipeline_id[-1]}:{each.from_stage[-1]}{(each.to_stage or '')[-1:]}"
        for each in coverage.streams
    }


def invalid(coverage: Coverage) -> list[str]:
    return [f"{each.part} {each.name}: {each.reason}" for each in coverage.invalid]


@pytest.mark.parametrize(
    ("keys", "covered"),
    [
        ({}, {"a:ab", "a:bc", "a:cd", "b:ab", "c:ab", "c:bc"}),
        ({"tenants": ["Acme"]}, {"a:ab", "a:bc", "a:cd", "b:ab"}),
        ({"tenants": [ACME.upper()]}, {"a:ab", "a:bc", "a:cd", "b:ab"}),
        ({"tenants": [LABELS.tenants[OTHER]]}, {"c:ab", "c:bc"}),
        ({"tenants": ["Acme", OTHER], "pipelines": ["Renewals"]}, {"b:ab"}),
        ({"pipelines": ["Sales"]}, {"a:ab", "a:bc", "a:cd", "c:ab", "c:bc"}),
        ({"tenants": ["Acme"], "pipelines": [" Sales "]}, {"a:ab", "a:bc", "a:cd"}),
        ({"pairs": ["Qualified -> Demo"]}, {"a:bc"}),
        ({"pairs": ["Lead -> Demo"], "tenants": [OTHER]}, {"c:ab"}),
        ({"pairs": [[stage(SALES, "a"), "Qualified"], "Due -> Won"]}, {"a:ab", "b:ab"}),
        ({"kind": "traffic"}, {"a:a", "a:b", "a:c", "a:d", "b:a", "b:b", "c:a", "c:b", "c:c"}),
        ({"kind": "traffic", "stages": ["Lead", stage(RENEWALS, "b")]}, {"a:a", "c:a", "b:b"}),
        ({"kind": "traffic", "stages": ["Demo"]}, {"a:c", "c:b", "c:c"}),
        ({"kind": "below", "rate": "20%", "pairs": ["Demo -> Won"]}, {"a:cd"}),
    ],
)
def test_a_rule_covers_what_its_names_match_and_nothing_is_invalid(
    keys: dict[str, Any], covered: set[str]
) -> None:
    coverage = cover(rule(**keys), KNOWN)
    assert streams(coverage) == covered
    assert invalid(coverage) == []


@pytest.mark.parametrize(
    ("keys", "covered", "told"),
    [
        ({"tenants": ["acme"]}, set(), ["tenant acme: no tenant of the rule has this id or label"]),
        ({"tenants": ["Acme", "Gone"], "pipelines": ["Renewals"]}, {"b:ab"}, ["tenant Gone: no tenant"]),
        ({"tenants": [OTHER], "pipelines": ["Renewals"]}, set(), ["pipeline Renewals: no pipeline of the rule"]),
        (
            {"pairs": ["Qualified -> Demo", "Lead -> Lost"]},
            {"a:bc"},
            ["pair Lead -> Lost: none of 3 pipelines has it; for example, pipeline Sales of Acme has no stage Lost"],
        ),
        (
            {"pairs": ["Lead -> Won"], "tenants": ["Acme"], "pipelines": ["Sales"]},
            set(),
            ["pair Lead -> Won: pipeline Sales of Acme is not reported on this pair: add the pair to FUNNELPROOF"],
        ),
        (
            {"pairs": ["Qualified -> Demo"], "pipelines": ["Renewals", SALES]},
            {"a:bc"},
            ["pair Qualified -> Demo: pipeline  Renewals  of Acme has no stage Qualified and no stage Demo"],
        ),
        ({"kind": "traffic", "stages": ["Lead", "Lsot"]}, {"a:a", "c:a"}, ["stage Lsot: none of 3 pipelines has it"]),
    ],
)  # fmt: skip
def test_a_name_that_matches_nothing_is_invalid_and_the_rest_of_the_rule_is_in_force(
    keys: dict[str, Any], covered: set[str], told: list[str]
) -> None:
    coverage = cover(rule(**keys), KNOWN)
    assert streams(coverage) == covered
    assert [line[: len(start)] for line, start in zip(invalid(coverage), told, strict=True)] == told


def test_without_labels_names_are_ids_and_the_reason_says_how_labels_come() -> None:
    known = Funnels(FUNNELS, Labels())
    assert streams(cover(rule(tenants=[ACME], pipelines=[RENEWALS]), known)) == {"b:ab"}
    (reason,) = invalid(cover(rule(tenants=["Acme"]), known))
    assert reason.endswith("there are no labels: set FUNNELPROOF_LABELS_SQL")


def test_nothing_is_invalid_before_the_first_pipeline_is_known() -> None:
    assert cover(rule(tenants=["Acme"]), Funnels([], Labels())) == Coverage()


def test_a_stage_that_goes_away_makes_its_pair_invalid() -> None:
    chosen = rule(pipelines=["Renewals"], pairs=["Due -> Won"])
    assert invalid(cover(chosen, KNOWN)) == []
    later = Funnels([*FUNNELS[:1], funnel(ACME, RENEWALS, a="Due"), *FUNNELS[2:]], LABELS)
    assert invalid(cover(chosen, later)) == ["pair Due -> Won: pipeline  Renewals  of Acme has no stage Won"]


def test_the_streams_of_a_pipeline_are_together_as_the_budget_is_a_pipelines() -> None:
    by_pipeline = cover(rule(), KNOWN).by_pipeline
    assert {scope.pipeline_id: len(found) for scope, found in by_pipeline.items()} == {
        SALES: 3,
        RENEWALS: 1,
        SALES_TOO: 2,
    }
