import json
import os
from pathlib import Path
from uuid import UUID

import pytest

from streams.domain.change import Scope
from streams.domain.pairs import parse_stage_pairs
from streams.errors import SettingsError
from streams.settings import PREFIX, load_settings

TENANT, PIPELINE, A, B, C = (str(UUID(int=n)) for n in range(1, 6))
HERE = Scope(TENANT, PIPELINE)


def test_pairs_are_given_by_tenant_and_pipeline_and_count_once() -> None:
    found = parse_stage_pairs({f"{TENANT}/{PIPELINE}": [[A, B.upper()], [A, C], [A, B]]})
    assert found == {HERE: ((A, B), (A, C))}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], "no table"),
        ({PIPELINE: [[A, B]]}, "names no pipeline"),
        ({f"{TENANT}/x": [[A, B]]}, "'x' is no UUID"),
        ({f"{TENANT}/{PIPELINE}": []}, "no list of pairs"),
        ({f"{TENANT}/{PIPELINE}": A}, "no list of pairs"),
        ({f"{TENANT}/{PIPELINE}": [[A]]}, "no pair of stages"),
        ({f"{TENANT}/{PIPELINE}": [[A, "b"]]}, "'b' is no UUID"),
        ({f"{TENANT}/{PIPELINE}": [[A, A]]}, "nothing converts"),
    ],
)
def test_pairs_that_make_no_sense_are_refused_with_the_reason(given: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_stage_pairs(given)


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"x: names no pipeline.*; y/z: 'y' is no UUID"):
        parse_stage_pairs({"x": [], "y/z": [[A, B]]})


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_pairs_come_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNNELPROOF_STAGE_PAIRS", json.dumps({"/".join(HERE): [[A, C]]}))
    assert load_settings().stage_pairs == {HERE: ((A, C),)}
    monkeypatch.setenv("FUNNELPROOF_STAGE_PAIRS", "{")
    with pytest.raises(SettingsError, match="FUNNELPROOF_STAGE_PAIRS: is not JSON"):
        load_settings()


def test_pairs_come_from_the_settings_file_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("funnelproof.toml").write_text(f'[stage_pairs]\n"{TENANT}/{PIPELINE}" = [["{A}", "{C}"]]\n', "utf-8")
    assert load_settings().stage_pairs == {HERE: ((A, C),)}
