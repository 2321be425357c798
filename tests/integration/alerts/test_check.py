"""What rules cover in a real report database, and `funnelproof alerts check` as a user runs it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from streams.alerts.rules import Rules
from streams.alerts.scope import cover, read_funnels
from streams.resources import sql
from streams.store.database import OwnConnection
from streams.store.installation import register_installation
from streams.store.labels import Label, keep_labels
from streams.store.stage_pairs import keep_pairs
from tests import programs
from tests.integration.closing.conftest import START

ACME, BETA = (f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in "ab")
SALES, RENEWALS = (f"bbbbbbbb-0000-4000-8000-00000000000{n}" for n in "cd")
LEAD, DEMO, WON, DUE, PAID = (f"cccccccc-0000-4000-8000-00000000000{n}" for n in range(5))
ODD = 'Bé"ta" [bold]\x1b[31m -> \\'
STAGES = [
    (LEAD, ACME, SALES, "Lead", 1),
    (DEMO, ACME, SALES, "Demo", 2),
    (WON, ACME, SALES, None, 3),
    (DUE, BETA, RENEWALS, "Due", 1),
    (PAID, BETA, RENEWALS, ODD, 2),
]


@pytest.fixture
async def report(crm: OwnConnection) -> OwnConnection:
    """A report database that knows two pipelines with their stages and labels."""
    await register_installation(crm, "funnelproof", START)
    await keep_stages(crm, STAGES)
    labels = [Label("tenant", ACME, "Acme"), Label("tenant", BETA, ODD), Label("pipeline", SALES, "Sales")]
    await keep_labels(crm, labels)
    return crm


async def keep_stages(report: OwnConnection, stages: list[tuple[str, str, str, str | None, int]]) -> None:
    await report.execute(
        sql("queries/publish/closing_stages"), *(list(column) for column in zip(*stages, strict=True))
    )


async def covered(report: OwnConnection, **keys: Any) -> tuple[list[str], list[str]]:  # noqa: ANN401 - as in a file
    """Return the streams of a rule by the ends of the stages' ids, and the names of its invalid parts."""
    (rule,) = Rules.model_validate({"rule": [{"name": "a", "kind": "drop"} | keys]}).rule
    found = cover(rule, await read_funnels(report))
    streams = [each.from_stage[-1] + (each.to_stage or "")[-1:] for each in found.streams]
    return streams, [each.name for each in found.invalid]


async def test_rules_match_ids_labels_and_stages_of_the_report_database(report: OwnConnection) -> None:
    assert await covered(report) == (["01", "12", "34"], [])
    assert await covered(report, tenants=["Acme"], pipelines=["Sales"]) == (["01", "12"], [])
    assert await covered(report, tenants=[ODD], pairs=[["Due", ODD]]) == (["34"], [])
    assert await covered(report, pairs=[f"Demo -> {WON}", "Lead -> Won"]) == (["12"], ["Lead -> Won"])
    assert await covered(report, kind="traffic", stages=["Lead", DUE]) == (["0", "3"], [])


async def test_pairs_of_the_settings_are_the_pairs_that_a_rule_can_name(report: OwnConnection) -> None:
    assert await covered(report, pairs=["Lead -> " + WON]) == ([], ["Lead -> " + WON])
    await keep_pairs(report, {(ACME, SALES): ((LEAD, WON),)})  # type: ignore[dict-item]  # a scope is a tuple
    assert await covered(report, pairs=["Lead -> " + WON]) == (["02"], [])
    assert await covered(report, pairs=["Lead -> Demo"]) == ([], ["Lead -> Demo"])


async def test_a_stage_that_goes_away_or_is_renamed_makes_the_pair_invalid(report: OwnConnection) -> None:
    named = {"pairs": ["Lead -> Demo"], "pipelines": ["Sales"]}
    assert await covered(report, **named) == (["01"], [])
    await keep_stages(report, [*STAGES[:1], *STAGES[2:]])
    assert await covered(report, **named) == ([], ["Lead -> Demo"])
    await keep_stages(report, STAGES)
    assert await covered(report, **named) == (["01"], [])


def settings(database: str, rules: Path | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
    environment |= {"FUNNELPROOF_SOURCE_DSN": database, "COLUMNS": "300"}
    if rules is not None:
        environment["FUNNELPROOF_ALERT_RULES"] = str(rules)
    return environment


async def alerts_check(database: str, rules: Path | None, *options: str) -> tuple[int | None, str, str]:
    """Run the command; return the exit status, stdout and stderr."""
    words = ["alerts", "check", *options]
    done = await asyncio.to_thread(programs.run, words, settings(database, rules))
    return done.returncode, done.stdout, done.stderr


async def wide_tables(database: str, rules: Path | None) -> tuple[int | None, str, str]:
    """Run the command as a shell does: tables get their width when the program is imported."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams", "alerts", "check"),
        env=settings(database, rules),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_check_shows_what_every_rule_covers(
    report: OwnConnection, database: str, tmp_path: Path
) -> None:
    del report
    file = tmp_path / "rules.toml"
    file.write_text(
        """
        receivers.pager.apprise = "slack://s3cret/token"
        [[rule]]
        name = "drops [red]"
        kind = "drop"
        window = "hour"
        tenants = ["Acme"]
        drop = "12.5%"
        receivers = ["pager"]
        [[rule]]
        name = "floor"
        kind = "below"
        rate = "20%"
        """,
        "utf-8",
    )
    status, out, err = await wide_tables(database, file)
    assert (status, err) == (0, "")
    assert "drops [red]" in out
    assert "conversion falls by 12.5%; false alarms: 1 per pipeline per month" in out
    assert "2 pairs in 1 pipelines of 1 tenants" in out
    assert "rate below 20%, with 50 entered" in out

    status, out, _ = await alerts_check(database, file, "--json")
    told = json.loads(out)
    assert (status, told["sound"], told["pipelines"], told["file"]) == (0, True, 2, str(file))
    assert "s3cret" not in out
    drops, floor = told["rules"]
    (acme,) = drops["covers"]
    assert (acme["tenant"], acme["pipeline"], acme["threshold"]) == ("Acme", "Sales", 2 * 720)
    assert acme["streams"][1] == {
        "from_stage_id": DEMO,
        "from_stage": "Demo",
        "to_stage_id": WON,
        "to_stage": None,
        "windows_learned": 0,
        "learning": True,
        "entered_a_window": 0,
        "rate": 0,
        "variation": 0.05,
        "smallest_drop": None,
        "can_fire": None,
    }
    beta = floor["covers"][1]
    assert (beta["tenant"], beta["pipeline"], beta["threshold"]) == (ODD, "bbbbbbbb…000d", None)


async def test_check_without_a_file_shows_the_built_in_rule(report: OwnConnection, database: str) -> None:
    del report
    status, out, _ = await wide_tables(database, None)
    assert status == 0
    assert "conversion drops" in out
    assert "3 pairs in 2 pipelines of 2 tenants" in out


async def test_check_is_bad_news_when_a_part_is_invalid_or_a_rule_can_never_fire(
    report: OwnConnection, database: str, tmp_path: Path
) -> None:
    del report
    file = tmp_path / "rules.toml"
    file.write_text(
        '[[rule]]\nname = "a"\nkind = "drop"\ntenants = ["Acme", "G\\u001Bone"]\n'
        '[[rule]]\nname = "b"\nkind = "drop"\npairs = ["Lead -> Paid"]\n',
        "utf-8",
    )
    status, out, err = await alerts_check(database, file)
    assert (status, err) == (1, "")
    assert "! rule a: tenant G\\x1bone is invalid: no tenant of the rule has this id or label" in out
    assert "! rule b: pair Lead -> Paid is invalid: none of 2 pipelines has it" in out
    assert "! rule b can never fire: the rule covers nothing" in out
    assert "rule a can never fire" not in out


async def test_check_tells_every_mistake_and_needs_no_server_for_them(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "a"\nkind = "drop"\ndrop = "1%"\nwindow = "dya"\n', "utf-8")
    status, out, err = await alerts_check("postgresql://nobody@127.0.0.1:1/none", file)
    assert (status, out) == (2, "")
    first, *lines = err.splitlines()
    assert first == "funnelproof: wrong alert rules:"
    assert [line.strip().removeprefix(f"{file}:").partition(": ")[0] for line in lines] == ["4:8", "5:10"]


async def test_check_before_the_first_proof_says_that_no_pipeline_is_known(
    crm: OwnConnection, database: str
) -> None:
    await register_installation(crm, "funnelproof", START)
    status, out, _ = await alerts_check(database, None)
    assert status == 1
    assert "! no pipeline is known yet" in out


async def test_check_without_an_installation_says_what_to_do(crm: OwnConnection, database: str) -> None:
    del crm
    status, _, err = await alerts_check(database, None)
    assert status == 2
    assert "run `funnelproof migrate`" in err
