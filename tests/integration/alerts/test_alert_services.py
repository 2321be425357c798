"""People are reached through Apprise, whatever the service does: refuse, hang, answer late."""

import json
import logging
from datetime import timedelta

import pytest

from streams.alerts.delivery.services import Service
from streams.alerts.transition import Transition
from streams.logs import configure_logging
from tests.fakes.alerts import evidence, storm, transition
from tests.integration.alerts.conftest import Outbox, soon
from tests.integration.alerts.web import Site

NAME = "sales"


def service(site: Site, *, seconds: float = 5, scheme: str = "json") -> Service:
    return Service(
        NAME, f"{scheme}://me:hunter2@127.0.0.1:{site.port}/t0ken", "https://funnels.example", seconds
    )


async def put(outbox: Outbox, *transitions: Transition) -> None:
    await outbox.put(*transitions, to=[NAME])


def bodies(site: Site) -> list[dict[str, str]]:
    return [json.loads(each.body) for each in site.taken]


async def test_a_notification_says_what_fell(outbox: Outbox, site: Site) -> None:
    await put(outbox, transition())
    await outbox.sender(service(site)).send_waiting()
    (told,) = bodies(site)
    assert told["title"] == "Conversion Qualified -> Demo of pipeline Sales fell"
    assert "12 of 200 converted (6.0 %), expected 41 (31 to 52, 20.6 %)" in told["message"]
    assert "https://funnels.example/?tenant=" in told["message"]
    assert told["type"] == "failure"
    assert await outbox.waiting(NAME) == 0


async def test_a_storm_is_one_notification(outbox: Outbox, site: Site) -> None:
    await put(outbox, *storm(12))
    await outbox.sender(service(site)).send_waiting()
    (told,) = bodies(site)
    assert told["title"] == "12 alerts of tenant ACME"
    assert told["message"].count("pipeline Sales fell") == 12


async def test_names_are_escaped_for_the_service(outbox: Outbox, site: Site) -> None:
    odd = evidence(to_stage="*De*mo* <b>&", tenant="@all <b>")
    for number, asked in enumerate(("text", "html", "markdown"), 1):
        await put(outbox, transition(number=number, evidence=odd))
        channel = Service(NAME, f"json://127.0.0.1:{site.port}/?format={asked}", None)
        await outbox.sender(channel).send_waiting()
    text, html, markdown = bodies(site)
    assert "*De*mo* <b>&" in text["title"]
    assert "Tenant: @\u200ball <b>" in text["message"]
    assert "@all" not in html["message"] + markdown["message"]
    assert "&lt;b&gt;" in html["message"]
    assert "<b>" not in html["message"]
    assert r"\*De\*mo\* \<b\>\&" in markdown["title"]


async def test_a_service_that_refuses_is_asked_again(outbox: Outbox, site: Site) -> None:
    await put(outbox, transition())
    site.answer(500)
    sender = outbox.sender(service(site))
    await sender.send_waiting()
    assert (await outbox.waiting(NAME), len(site.taken)) == (1, 1)
    outbox.clock.move(timedelta(seconds=1))
    await sender._rest()
    await sender.send_waiting()
    assert (await outbox.waiting(NAME), len(site.taken)) == (0, 2)


async def test_a_message_that_a_service_took_late_is_not_sent_twice(outbox: Outbox, site: Site) -> None:
    await put(outbox, transition())
    site.open.clear()
    channel = service(site, seconds=0.3)
    sender = outbox.sender(channel)
    await sender.send_waiting()
    assert await _why(outbox) == "has not taken the message within 0 s"
    site.open.set()
    await soon(lambda: _is_idle(channel))
    outbox.clock.move(timedelta(seconds=1))
    await sender._rest()
    await sender.send_waiting()
    assert (await outbox.waiting(NAME), len(site.taken)) == (0, 1)


async def test_no_message_overtakes_one_that_hangs(outbox: Outbox, site: Site) -> None:
    first, second = storm(2)
    await put(outbox, first, second)
    site.open.clear()
    channel = service(site, seconds=0.2)
    sender = outbox.sender(channel)
    await sender.send_waiting()
    await outbox.pool.execute(
        "update funnelproof.alert_delivery set next_attempt_at = 'infinity' where event_id = $1",
        first.event_id,
    )
    outbox.clock.move(timedelta(seconds=1))
    await sender._rest()
    await sender.send_waiting()
    assert len(site.taken) == 1
    assert (
        await outbox.pool.fetchval(
            "select last_error from funnelproof.alert_delivery where event_id = $1 and receiver = $2",
            second.event_id,
            NAME,
        )
        == "is still busy with the message before"
    )


async def _why(outbox: Outbox) -> object:
    return await outbox.pool.fetchval(
        "select last_error from funnelproof.alert_delivery where receiver = $1", NAME
    )


async def _is_idle(channel: Service) -> bool:
    attempt = channel._attempt
    return attempt is None or attempt.result.done()


@pytest.fixture
def said(restored_logging: None, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    del restored_logging
    configure_logging("json", "debug")
    logging.getLogger().addHandler(caplog.handler)
    return caplog


async def test_no_secret_is_ever_told(
    outbox: Outbox, site: Site, said: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    site.answer(500, 401, 404)
    channels = [service(site), service(site), service(site), service(site, scheme="jsons")]
    channels.append(Service(NAME, "json://me:hunter2@127.0.0.1:9/t0ken", None))
    for number, channel in enumerate(channels, 1):
        await put(outbox, transition(number=number))
        await outbox.sender(channel).send_waiting()
        assert await outbox.waiting(NAME) == 1
        assert not _tells(f"{channel!r} {await _why(outbox)} {vars(channel)!r}")
        await outbox.pool.execute("update funnelproof.alert_delivery set delivered_at = now()")
    for url in ("nonsense://me:hunter2@host/t0ken", "mailtos://:hunter2@/t0ken", "hunter2", ""):
        with pytest.raises(ValueError, match="is no address of Apprise") as refused:
            Service(NAME, url, None)
        assert not _tells(str(refused.value))
    assert "an alert could not be delivered" in said.text
    assert not _tells("".join([*capfd.readouterr(), said.text]))


def _tells(text: str) -> list[str]:
    return [secret for secret in ("hunter2", "t0ken") if secret in text]
