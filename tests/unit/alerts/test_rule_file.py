"""Rules as they are read, read again while the program runs, and never with a secret in sight."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from streams.alerts.addresses import AppriseReceiver, WebhookReceiver
from streams.alerts.notation import Budget, PairName
from streams.alerts.rule_file import RuleFile, WrongRulesError, read_rules
from streams.alerts.rules import BelowRule, DropRule, TrafficRule

WINDOWS = ("hour", "day", "week", "month")
SECRET = "s3cret-t0ken"  # noqa: S105 - what must not be shown
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
RULE = '[[rule]]\nname = "a"\nkind = "drop"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_bytes(text.encode())
    return path


def test_without_a_file_one_rule_watches_every_pair_by_the_day() -> None:
    (rule,) = read_rules(None, WINDOWS).rule
    assert isinstance(rule, DropRule)
    assert (rule.name, rule.window, rule.drop) == ("conversion drops", "day", 0.3)
    assert rule.false_alarms == Budget(1.0, "1 per pipeline per month")
    assert (rule.tenants, rule.pipelines, rule.pairs) == (("*",), ("*",), ("*",))
    assert rule.receivers == ("kafka",)


def test_without_a_file_and_without_days_nothing_is_watched() -> None:
    assert read_rules(None, ("hour",)).rule == ()


def test_a_file_gives_rules_of_all_kinds_with_their_values_understood(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [receivers.sales-ops]
        apprise = "mailtos://me:pw@host"
        [[rule]]
        name = "drops"
        kind = "drop"
        window = "hour"
        tenants = ["Acme", "aaaaaaaa-0000-4000-8000-00000000000a"]
        pairs = ["Qualified -> Demo", ["a -> b", "c"]]
        drop = "12.5 %"
        false_alarms = "2 per pipeline per week"
        for = "10m"
        keep_firing_for = "6h"
        severity = "critical"
        receivers = ["sales-ops", "kafka"]
        runbook = "https://wiki.example/funnel"
        [[rule]]
        name = "silence"
        kind = "traffic"
        stages = ["Lead"]
        [[rule]]
        name = "floor"
        kind = "below"
        window = "week"
        rate = "20%"
        min_entered = 7
        receivers = []
        """,
    )
    drop, traffic, below = read_rules(path, WINDOWS).rule
    assert isinstance(drop, DropRule)
    assert isinstance(traffic, TrafficRule)
    assert isinstance(below, BelowRule)
    assert drop.pairs == (PairName("Qualified", "Demo"), PairName("a -> b", "c"))
    assert drop.drop == pytest.approx(0.125)
    assert drop.false_alarms.a_month == pytest.approx(60 / 7)
    assert str(drop.false_alarms) == "2 per pipeline per week"
    assert (drop.for_, drop.keep_firing_for) == (timedelta(minutes=10), timedelta(hours=6))
    assert str(drop.runbook) == "https://wiki.example/funnel"
    assert (traffic.stages, traffic.drop, traffic.false_alarms.a_month) == (("Lead",), 0.5, 1.0)
    assert (below.rate, below.min_entered, below.receivers) == (0.2, 7, ())


def test_a_file_may_begin_with_a_byte_order_mark_and_have_the_line_ends_of_windows(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + RULE.replace("\n", "\r\n"))
    assert read_rules(path, WINDOWS).rule[0].name == "a"
    with pytest.raises(WrongRulesError, match=r"rules.toml:4:8: drop"):
        read_rules(written(tmp_path, ("\ufeff" + RULE + 'drop = "1%"\n').replace("\n", "\r\n")), WINDOWS)


def test_secrets_come_from_the_environment_and_from_files_and_may_be_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALES_URL", f"slack://{SECRET}")
    (tmp_path / "hook").write_text(f"{SECRET}\n", "utf-8")
    path = written(
        tmp_path,
        f"""
        receivers.sales.apprise = "env:SALES_URL"
        receivers.audit = {{ webhook = "https://h/{SECRET}", secret = ["file:{tmp_path / "hook"}", "whsec_b2xkZXI="] }}
        """,
    )
    rules = read_rules(path, WINDOWS)
    sales, audit = rules.receivers["sales"], rules.receivers["audit"]
    assert isinstance(sales, AppriseReceiver)
    assert isinstance(audit, WebhookReceiver)
    assert sales.apprise.get_secret_value() == f"slack://{SECRET}"
    assert [each.get_secret_value() for each in audit.secret] == [SECRET, "whsec_b2xkZXI="]
    shown = [repr(rules), str(rules), rules.model_dump_json(), json.dumps(rules.model_dump(), default=str)]
    shown += [repr(sales), f"{audit}"]
    assert [text for text in shown if SECRET in text or "b2xk" in text] == []


def test_no_error_shows_a_secret_not_even_in_what_caused_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    path = written(
        tmp_path,
        f"""
        receivers.a = {{ webhook = "{SECRET}", secret = "{SECRET}", colour = "{SECRET}" }}
        receivers.b = {{ apprise = "env:TOKEN" }}
        receivers.c = {{ apprise = "{SECRET}", webhook = "{SECRET}" }}
        receivers.d = {{ alertmanager = "ftp://{SECRET}" }}
        """,
    )
    with pytest.raises(WrongRulesError) as refused:
        read_rules(path, WINDOWS)
    assert len(refused.value.mistakes) == 5
    error: BaseException | None = refused.value
    while error is not None:
        assert SECRET not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


def test_a_file_that_breaks_leaves_the_last_good_rules_and_says_since_when(tmp_path: Path) -> None:
    path = written(tmp_path, RULE)
    file = RuleFile(path, WINDOWS)
    good = file.rules
    assert (file.broken, file.reload(NOON)) == (None, False)

    written(tmp_path, RULE + 'drop = "1%"\n')
    assert not file.reload(NOON + FIVE)
    path.unlink()
    assert not file.reload(NOON + 2 * FIVE)
    assert file.rules is good
    assert file.broken is not None
    assert file.broken.since == NOON + FIVE
    assert "No such file" in file.broken.mistakes[0]

    written(tmp_path, RULE + 'drop = "40%"\n')
    assert file.reload(NOON + 3 * FIVE)
    assert file.broken is None
    assert file.rules != good


def test_a_secret_that_was_exchanged_makes_other_rules(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("slack://one", "utf-8")
    file = RuleFile(written(tmp_path, f'receivers.x.apprise = "file:{tmp_path / "url"}"\n'), WINDOWS)
    (tmp_path / "url").write_text("slack://two", "utf-8")
    assert file.reload(NOON)


def test_a_program_does_not_start_with_a_broken_file(tmp_path: Path) -> None:
    with pytest.raises(WrongRulesError):
        RuleFile(written(tmp_path, "x"), WINDOWS)
