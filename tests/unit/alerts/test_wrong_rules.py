"""Every mistake of a rule file is told at the start, all at once, each in a line with its place."""

from pathlib import Path

import pytest

from streams.alerts.rule_file import LONGEST, WrongRulesError, read_rules

WINDOWS = ("hour", "day", "month", "10m")
SECRET = "s3cret-t0ken"  # noqa: S105 - what must not be shown
RULE = '[[rule]]\nname = "a"\nkind = "drop"\n'
BELOW = '[[rule]]\nname = "a"\nkind = "below"\nrate = "20%"\n'


def complaints(path: Path, text: str | bytes) -> list[str]:
    """Read a file with this text; return what is said, without the file's name."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WrongRulesError) as refused:
        read_rules(path, WINDOWS)
    first, *lines = str(refused.value).split("\n")
    assert first == "wrong alert rules:"
    assert [line.strip() for line in lines] == list(refused.value.mistakes)
    assert all(line.startswith(f"{path}:") for line in refused.value.mistakes)
    return [line.removeprefix(f"{path}:") for line in refused.value.mistakes]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # text that is no TOML
        ("[[rule]\n", "1:7: is no TOML: Expected ']]' at the end of an array declaration"),
        ("a = 'x", "1:7: is no TOML"),
        (RULE + 'name = "b"\n', "4:"),
        (b'[[rule]]\nname = "\xff"', "2:9: is no text in UTF-8"),
        ("a = " + "[" * 5000, "1:1: lists are nested too deeply"),
        # tables and keys
        ('rule = "all"\n', "1:8: rule: is no list of rules: write [[rule]], with two brackets"),
        ("[rule]\n", "1:1: rule: is no list of rules: write [[rule]], with two brackets"),
        ("rule = [1]\n", "1:9: rule: is no table"),
        ("receivers = 1\n", "1:13: receivers: is no table"),
        ("[receiver.x]\n", "1:1: receiver: no such key, did you mean receivers?"),
        (RULE + 'drops = "30%"\n', "4:1: drops: no such key, did you mean drop?"),
        (RULE + "xyz = 1\n", "4:1: xyz: no such key"),
        (RULE + 'rate = "30%"\n', "4:1: rate: belongs to below alone: delete it, or change the kind"),
        (BELOW + 'false_alarms = "1 per pipeline per month"\n', "5:1: false_alarms: belongs to drop and traffic"),
        ('[[rule]]\nname = "a"\nkind = "traffic"\npairs = ["*"]\n', "4:1: pairs: belongs to drop and below alone"),
        ('[[rule]]\nkind = "drop"\n', "1:1: name: is missing"),
        (RULE.replace('"a"', '""'), "2:8: name: is empty"),
        (RULE + RULE, '5:8: name: another rule is called "a", too: give each its own name'),
        # kinds
        ('[[rule]]\nname = "a"\n', "1:1: kind: is missing: write drop, traffic or below"),
        (RULE.replace("drop", "dropp"), "3:8: kind: is no kind of rule: write drop, traffic or below"),
        # windows and times
        (RULE + 'window = "dya"\n', '4:10: window: "dya" is no window of this installation: name one of FUNNELPROOF'),
        (RULE + 'window = "week"\n', "4:10: window:"),
        (RULE + 'for = "soon"\n', "4:7: for: 'soon' is not a length of time"),
        (RULE + "for = 5\n", "4:7: for: '5' is not a length of time"),
        (RULE + 'keep_firing_for = "-5s"\n', "4:19: keep_firing_for: '-5s' is not a length"),
        # names
        (RULE + 'tenants = "Acme"\n', '4:11: tenants: is no list: write it as ["..."]'),
        (RULE + "tenants = []\n", "4:11: tenants: is an empty list"),
        (RULE + "tenants = [1]\n", "4:12: tenants: is no text: write it in quotes"),
        (RULE + 'tenants = ["Acme", ""]\n', "4:20: tenants: is empty"),
        (RULE + 'pipelines = ["*", "x"]\n', '4:13: pipelines: names more than "*"'),
        (RULE + 'pipelines = ["x", "x"]\n', '4:13: pipelines: names "x" twice'),
        (RULE + 'pairs = ["Qualified"]\n', '4:10: pairs: is no pair of stages: write it as "Qualified -> Demo"'),
        (RULE + 'pairs = ["A -> B -> C"]\n', "4:10: pairs: is no pair of stages"),
        (RULE + 'pairs = [["A", "B", "C"]]\n', "4:10: pairs: is no pair of stages"),
        (RULE + 'pairs = ["A -> "]\n', "4:10: pairs: is no pair of stages"),
        (RULE + 'pairs = ["A->B", ["A", "B"]]\n', '4:9: pairs: names "A -> B" twice'),
        (RULE + 'pairs = ["A -> A"]\n', "4:10: pairs: pairs a stage with itself"),
        # thresholds
        (RULE + "drop = 0.3\n", '4:8: drop: is no percentage: write it as "30%"'),
        (RULE + 'drop = "30"\n', '4:8: drop: is no percentage: write it as "30%"'),
        (RULE + 'drop = "-30%"\n', "4:8: drop: is no percentage"),
        (RULE + 'drop = "5%"\n', "4:8: drop: is no fall to alert on: give more than 5%"),
        (RULE + 'drop = "100%"\n', "4:8: drop: is no fall to alert on"),
        (BELOW.replace("20%", "0%"), "4:8: rate: is a rate that is never or always undercut"),
        (BELOW.replace("20%", "100%"), "4:8: rate: is a rate that is never or always undercut"),
        (BELOW.replace('rate = "20%"\n', ""), "1:1: rate: is missing"),
        (BELOW + "min_entered = 0\n", "5:15: min_entered: is too small: give 1 or more"),
        (BELOW + 'min_entered = "50"\n', "5:15: min_entered: is no whole number"),
        # budgets
        (RULE + 'false_alarms = "none"\n', '4:16: false_alarms: is no budget of false alarms: write it as "1 per'),
        (RULE + "false_alarms = 1\n", "4:16: false_alarms: is no budget of false alarms"),
        (RULE + 'false_alarms = "0 per pipeline per month"\n', "4:16: false_alarms: is a budget of 0, with which"),
        (RULE + 'false_alarms = "1 per pipeline per day"\n', "4:16: false_alarms: allows a false alarm in every day"),
        (RULE + 'window = "month"\n', "1:1: false_alarms: allows a false alarm in every month window"),
        # receivers
        (RULE + 'receivers = ["sales"]\n', "4:13: receivers: no receiver is called sales: write the table"),
        (RULE + 'runbook = "wiki"\n', "4:11: runbook: is no address: write https://host/path"),
        (RULE + 'severity = "Very Bad"\n', "4:12: severity: is no word of lower-case letters"),
        ("[receivers.x]\n", "1:1: x: give the receiver exactly one of the keys apprise, alertmanager and webhook"),
        ("[receivers]\nx = 1\n", "2:5: x: give the receiver exactly one of the keys"),
        ('[receivers.x]\napprise = "json://h"\nwebhook = "https://h"\n', "1:1: x: give the receiver exactly one"),
        ('[receivers.x]\napprise = "json://h"\nsecret = "s"\n', "3:1: secret: belongs to webhook alone"),
        ('[receivers.x]\nwebhook = "https://h"\n', "1:1: secret: is missing"),
        ('[receivers.x]\nwebhook = "https://h"\nsecret = []\n', "3:10: secret: is no secret and no list"),
        ('[receivers.x]\nwebhook = "https://h"\nsecret = ["a", "b", "c"]\n', "3:10: secret: is no secret and no list"),
        ('[receivers.x]\nwebhook = "https://h"\nsecret = ["a", "env:NOT_SET"]\n', "3:16: secret: env:NOT_SET"),
        (f'[receivers.x]\nwebhook = "https://h"\nsecret = "whsec_{SECRET}"\n', "3:10: secret: is no secret: base64"),
        ('[receivers.x]\nwebhook = "https://h"\nsecret = "whsec_"\n', "3:10: secret: is no secret: base64 follows"),
        ('[receivers.kafka]\napprise = "json://h"\n', "1:1: kafka: is a receiver that is always there"),
        ('[receivers."a b"]\napprise = "json://h"\n', "1:1: a b: is no name of a receiver"),
        ('[receivers.x]\napprise = "env:NOT_SET"\n', "2:11: apprise: env:NOT_SET cannot be read: set the environment"),
        ('[receivers.x]\napprise = "file:/not/there"\n', "2:11: apprise: file:/not/there cannot be read: No such file"),
        ('[receivers.x]\napprise = ""\n', "2:11: apprise: the secret is empty"),
        ("[receivers.x]\napprise = 5\n", "2:11: apprise: is no secret"),
        (f'[receivers.x]\napprise = "{SECRET}"\n', "2:11: apprise: is no address of Apprise"),
        (f'[receivers.x]\nalertmanager = "ftp://{SECRET}"\n', "2:16: alertmanager: is no address: write http"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_line_with_file_line_and_column(tmp_path: Path, text: str, told: str) -> None:
    (line,) = complaints(tmp_path / "rules.toml", text)
    assert line.startswith(told)
    assert SECRET not in line


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
colour = "red"
[receivers.ops]
apprise = "env:NOT_SET"
[receivers.hook]
webhook = "nowhere"

[[rule]]
name = "a"
kind = "drop"
window = "dya"
drop = "1%"
receivers = ["ops", "nobody"]
[[rule]]
name = "a"
kind = "dorp"
tenants = []
surprise = 1
[[rule]]
kind = "below"
rate = 20
for = "x"
"""
    told = [line.rsplit(": ", 1)[0] for line in complaints(tmp_path / "rules.toml", text)]
    places = [":".join(line.split(":")[:3]) for line in told]
    assert places == [
        "1:1: colour",
        "3:11: apprise",
        "4:1: secret",
        "5:11: webhook",
        "10:10: window",
        "11:8: drop",
        "12:13: receivers",
        "14:8: name",
        "15:8: kind",
        "16:11: tenants",
        "18:1: name",
        "20:8: rate",
        "21:7: for",
    ]


def test_a_file_that_is_missing_a_folder_or_endless_is_told(tmp_path: Path) -> None:
    for path, told in (
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "Is a directory"),
        (Path("/dev/zero"), f"more than {LONGEST} bytes"),
    ):
        with pytest.raises(WrongRulesError, match=told) as refused:
            read_rules(path, WINDOWS)
        assert "FUNNELPROOF_ALERT_RULES" in str(refused.value)
