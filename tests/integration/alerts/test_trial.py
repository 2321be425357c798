"""`funnelproof alerts test`, as a user runs it."""

import asyncio
import json
import os
from pathlib import Path

from tests import programs
from tests.integration.alerts.web import site

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


async def alerts_test(rules: Path, *options: str) -> tuple[int | None, str, str]:
    """Run the command with no database and no Kafka at hand; return the exit status, stdout and stderr."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FUNNELPROOF_")}
    environment |= {"FUNNELPROOF_SOURCE_DSN": NOWHERE, "FUNNELPROOF_ALERT_RULES": str(rules)}
    done = await asyncio.to_thread(programs.run, ["alerts", "test", *options], environment)
    return done.returncode, done.stdout, done.stderr


async def test_a_test_reaches_the_receivers_of_a_rule_and_says_that_it_is_a_test(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    async with site() as good, site() as bad, site() as other:
        rules.write_text(
            f'[receivers.good]\nwebhook = "{good.url}/x"\nsecret = "secret-one-two-three"\n'
            f'[receivers.bad]\nwebhook = "{bad.url}/x"\nsecret = "secret-one-two-three"\n'
            f'[receivers.other]\nwebhook = "{other.url}/x"\nsecret = "secret-one-two-three"\n'
            '[[rule]]\nname = "a"\nkind = "drop"\nreceivers = ["good", "bad"]\n'
            '[[rule]]\nname = "b"\nkind = "drop"\nreceivers = ["other"]\n',
            "utf-8",
        )
        bad.answer(500)
        status, out, err = await alerts_test(rules, "a", "--json")
        assert (status, err) == (1, "")
        results = {each["receiver"]: each["error"] for each in json.loads(out)["receivers"]}
        assert set(results) == {"good", "bad"}
        assert results["good"] is None
        assert "500" in results["bad"]
        assert "secret" not in out
        told = [json.loads(each.body) for each in good.taken]
        assert [each["data"]["transition"] for each in told] == ["fired", "resolved"]
        assert all("test" in each["data"]["rule"] and "This is a test" in str(each) for each in told)
        assert len(set(good.ids)) == 2
        assert not other.taken
        assert (await alerts_test(rules, "--receiver", "other"))[0] == 0
        assert len(other.taken) == 2


async def test_an_unknown_rule_or_receiver_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "a"\nkind = "drop"\n', "utf-8")
    assert (await alerts_test(rules, "b"))[::2] == (
        2,
        'funnelproof: no rule is called "b": name one of a\n',
    )
    status, _, err = await alerts_test(rules, "--receiver", "x")
    assert (status, err) == (2, 'funnelproof: no receiver is called "x": name one of kafka\n')
