from streams.domain.change import Scope
from streams.domain.pairs import Stage, consecutive_pairs

SALES, SUPPORT = Scope("tenant", "sales"), Scope("tenant", "support")


def test_each_stage_is_paired_with_its_follower_whatever_gaps_and_ties_there_are() -> None:
    stages = [Stage(SALES, 30, "d"), Stage(SALES, 10, "b"), Stage(SALES, 10, "a"), Stage(SALES, 25, "c")]
    assert consecutive_pairs(stages) == {SALES: [("a", "b"), ("b", "c"), ("c", "d")]}


def test_pipelines_are_kept_apart_and_one_stage_makes_no_pair() -> None:
    stages = [Stage(SALES, 1, "a"), Stage(SUPPORT, 1, "x"), Stage(SALES, 2, "b")]
    assert consecutive_pairs(stages) == {SALES: [("a", "b")], SUPPORT: []}
