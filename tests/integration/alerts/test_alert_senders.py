"""Every receiver gets every transition, whatever other receivers and the sender's process go through."""

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiohttp import web
from standardwebhooks import Webhook as Verifier

from streams.alerts.delivery.backlog import FEWEST_ATTEMPTS
from streams.alerts.delivery.channel import Channel
from streams.alerts.delivery.delivery import KEPT, Delivery
from streams.alerts.delivery.outbox import enqueue
from streams.alerts.delivery.sender import Sender
from streams.alerts.delivery.webhook import PATIENCE
from streams.logs import configure_logging
from streams.settings import load_settings
from tests.certificates import Authority
from tests.fakes.alerts import NOON, TENANT, storm, transition
from tests.integration.alerts.conftest import SECRET, Outbox, real_time, running, soon
from tests.integration.alerts.web import Site, babbler
from tests.integration.alerts.web import site as another_site
from tests.unit.alerts.test_alert_envelope import VALIDATOR

OTHER_TENANT = UUID("dddddddd-0000-4000-8000-00000000000d")


def delivery_of(outbox: Outbox, database: str, channels: Sequence[Channel]) -> Delivery:
    return Delivery(load_settings(source_dsn=database), outbox.pool, channels, real_time)


async def resume(sender: Sender, outbox: Outbox, seconds: float) -> None:
    """Let time pass and end a pause that is over then."""
    outbox.clock.move(timedelta(seconds=seconds))
    if sender._rests_until is not None and sender._rests_until <= outbox.clock():
        await sender._rest()
    await sender.send_waiting()


async def test_a_webhook_gets_a_signed_event_once(outbox: Outbox, site: Site) -> None:
    old = "whsec_b2xkZXIgc2VjcmV0IG9mIDI0IGJ5dGVz"
    fired = transition()
    await outbox.put(fired)
    outbox.clock.at = real_time()
    sender = outbox.sender(outbox.hook(f"{site.url}/x?y=1", SECRET, old))
    await sender.send_waiting()
    await sender.send_waiting()
    (taken,) = site.taken
    assert (taken.path, taken.headers["content-type"]) == ("/x?y=1", "application/cloudevents+json")
    assert taken.headers["webhook-id"] == str(fired.event_id)
    event = json.loads(taken.body)
    VALIDATOR.validate(event)
    assert event["id"] == str(fired.event_id)
    for key in (SECRET.encode(), old):
        assert Verifier(key).verify(taken.body, dict(taken.headers)) == event
    assert (sender.delivered, await outbox.waiting()) == (1, 0)


async def test_a_message_that_fails_comes_again_later_with_its_id(outbox: Outbox, site: Site) -> None:
    await outbox.put(transition())
    sender = outbox.sender(outbox.hook(site.url))
    site.answer(503, 500, web.Response(status=429, headers={"retry-after": "60"}))
    await sender.send_waiting()
    reading = await outbox.reading()
    assert (reading.waiting, reading.oldest_at) == (1, transition().decided_at)
    assert reading.last_error == "answers 503 Service Unavailable"
    for pause, attempts in ((0.9, 1), (0.1, 2), (1.9, 2), (0.1, 3), (59, 3), (1, 4)):
        await resume(sender, outbox, pause)
        assert len(site.taken) == attempts
    assert set(site.ids) == {str(transition().event_id)}
    assert len({each.headers["webhook-timestamp"] for each in site.taken}) == 4
    assert await outbox.waiting() == 0


async def test_a_receiver_that_is_down_is_left_alone_with_all_its_messages(
    outbox: Outbox, site: Site
) -> None:
    await outbox.put(*storm(3))
    sender = outbox.sender(outbox.hook(site.url))
    site.answer(503, 503)
    await sender.send_waiting()
    await sender.send_waiting()
    assert len(site.taken) == 1
    await resume(sender, outbox, 1)
    assert len(site.taken) == 2
    await resume(sender, outbox, 2)
    assert (len(site.taken), await outbox.waiting()) == (5, 0)


async def test_a_message_that_a_receiver_cannot_read_does_not_hold_up_the_others(
    outbox: Outbox, site: Site
) -> None:
    first, second = storm(2)
    await outbox.put(first, second, transition("resolved", 2, pipeline=first.pipeline_id or TENANT))
    sender = outbox.sender(outbox.hook(site.url))
    site.answer(422)
    await sender.send_waiting()
    assert site.ids == [str(first.event_id), str(second.event_id)], "an alert's steps come in order"
    await resume(sender, outbox, 1)
    assert [json.loads(each.body)["data"]["transition"] for each in site.taken[2:]] == ["fired", "resolved"]


async def test_a_message_is_given_up_after_days_or_when_the_receiver_is_gone(
    outbox: Outbox, site: Site
) -> None:
    first, second = storm(2)
    await outbox.put(first, second)
    sender = outbox.sender(outbox.hook(site.url))
    site.answer(410, *[500] * 11)
    await sender.send_waiting()
    await resume(sender, outbox, PATIENCE.total_seconds())
    while len(site.taken) < FEWEST_ATTEMPTS + 1:
        assert await outbox.waiting() == 1
        await resume(sender, outbox, 300)
    await resume(sender, outbox, 300)
    assert len(site.taken) == FEWEST_ATTEMPTS + 1
    reading = await outbox.reading()
    assert (reading.waiting, reading.given_up) == (0, 2)
    errors = await outbox.pool.fetch(
        "select last_error from funnelproof.alert_delivery where receiver = 'hook' order by event_number"
    )
    assert [row[0] for row in errors] == [
        "answers 410 Gone: take it out of the rule file",
        "answers 500 Internal Server Error",
    ]


async def test_a_storm_is_one_message_a_tenant_and_the_same_again_after_a_failure(
    outbox: Outbox, site: Site
) -> None:
    many, few = storm(11), storm(10, tenant=OTHER_TENANT)
    await outbox.put(*many, *few)
    sender = outbox.sender(outbox.hook(site.url))
    site.answer(503)
    await sender.send_waiting()
    await outbox.put(*storm(11, first=11))
    await resume(sender, outbox, 1)
    first, again, *singles, last = [json.loads(each.body) for each in site.taken]
    assert first == again
    assert [event["id"] for event in again] == [str(each.event_id) for each in many]
    assert site.ids[0] == site.ids[1] != site.ids[-1]
    assert site.ids[0] not in {str(each.event_id) for each in many}, "an id is of one message"
    assert site.taken[0].headers["content-type"] == "application/cloudevents-batch+json"
    assert [event["id"] for event in singles] == [str(each.event_id) for each in few]
    assert len(last) == 11
    for event in (*again, *singles, *last):
        VALIDATOR.validate(event)
    assert await outbox.waiting() == 0


async def test_a_receiver_that_is_down_hangs_or_babbles_does_not_delay_another(
    outbox: Outbox, site: Site, database: str
) -> None:
    async with babbler() as nonsense:
        hanging = outbox.hook(f"{site.url}/hangs")
        hanging.name = "hanging"
        down = outbox.hook("http://127.0.0.1:9/")
        down.name = "down"
        babbling = outbox.hook(nonsense)
        babbling.name = "babbling"
        async with another_site() as quick:
            channels = [hanging, down, babbling, outbox.hook(quick.url)]
            site.open.clear()
            delivery = delivery_of(outbox, database, channels)
            async with running(delivery.run):
                for number in range(1, 4):
                    began = time.monotonic()
                    await outbox.put(transition(number=number), to=[each.name for each in channels])
                    await soon(partial(_has, quick, number))
                    assert time.monotonic() - began < 2
                await soon(lambda: _tried(outbox, "down", "babbling"))
                site.open.set()
                await soon(lambda: _is_delivered(outbox, "hanging"))
    down_reading, babbling_reading = await outbox.reading("down"), await outbox.reading("babbling")
    assert down_reading.last_error == "cannot be reached: start it, or mend its address"
    assert (
        babbling_reading.last_error
        == "its answer is no HTTP: check the address, and whether it wants https://"
    )
    assert not down_reading.known


async def _has(site: Site, number: int) -> bool:
    return len(site.taken) == number


async def _tried(outbox: Outbox, *names: str) -> bool:
    return all([(await outbox.reading(name)).last_error for name in names])


async def _is_delivered(outbox: Outbox, name: str) -> bool:
    return not await outbox.pool.fetchval(
        "select count(*) from funnelproof.alert_delivery where receiver = $1 and delivered_at is null", name
    )


async def test_a_notice_wakes_the_senders_long_before_the_next_poll(
    outbox: Outbox, site: Site, database: str
) -> None:
    delivery = delivery_of(outbox, database, [outbox.hook(site.url)])
    for sender in delivery.senders:
        sender._poll = 60.0
    async with running(delivery.run):
        for number in range(1, 4):
            await asyncio.sleep(0.3)
            await outbox.put(transition(number=number))
            await soon(partial(_has, site, number), 5)


async def test_what_is_sent_now_needs_no_notice_and_no_poll(outbox: Outbox, site: Site) -> None:
    sender = Sender(outbox.pool, outbox.hook(site.url), real_time, poll=60.0)
    async with running(sender.run), asyncio.timeout(5):
        for number in range(1, 4):
            await outbox.put(transition(number=number))
            await sender.send_now()
            assert len(site.taken) == number
        site.answer(503)
        await outbox.put(transition(number=4))
        await sender.send_now()  # ends with the refusal, and at once while the receiver is left alone
        await sender.send_now()
    assert len(site.taken) == 4


async def test_the_poll_finds_what_no_notice_told_of(outbox: Outbox, site: Site) -> None:
    sender = Sender(outbox.pool, outbox.hook(site.url), real_time, poll=0.05)
    async with running(sender.run):
        await asyncio.sleep(0.2)
        await outbox.put(transition())
        await soon(lambda: _has(site, 1))


async def test_a_killed_sender_loses_nothing_and_sends_the_same_again(
    outbox: Outbox, site: Site, database: str
) -> None:
    await outbox.put(*storm(11), transition(tenant_id=OTHER_TENANT))
    site.open.clear()
    module = "tests.integration.alerts.sender_process"
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, database, site.url)
    async with outbox.pool.acquire() as noting, noting.transaction():
        try:
            await soon(lambda: _has_grouped(outbox))
            # Sent and answered, and cannot be noted: the rows are locked.
            await noting.execute("select from funnelproof.alert_delivery for update")
            site.open.set()
            await soon(lambda: _waits_for_lock(outbox))
            process.kill()
            assert await process.wait() == -signal.SIGKILL
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    assert await outbox.waiting() == 12
    sender = outbox.sender(outbox.hook(site.url))
    await soon(lambda: _send_all(sender, outbox))
    once, again, single = site.taken
    assert once.headers["webhook-id"] == again.headers["webhook-id"]
    assert once.body == again.body
    assert json.loads(single.body)["data"]["tenant_id"] == str(OTHER_TENANT)


async def _has_grouped(outbox: Outbox) -> bool:
    return bool(
        await outbox.pool.fetchval(
            "select exists (select from funnelproof.alert_delivery where message_id is not null)"
        )
    )


async def _waits_for_lock(outbox: Outbox) -> bool:
    return bool(
        await outbox.pool.fetchval(
            "select exists (select from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock' and query like '%set delivered_at%')"
        )
    )


async def _send_all(sender: Sender, outbox: Outbox) -> bool:
    """Send until the killed sender's session has ended, and with it its lock."""
    await sender.send_waiting()
    return await outbox.waiting() == 0


async def test_two_senders_send_each_message_once(outbox: Outbox, site: Site) -> None:
    await outbox.put(*[transition(number=number) for number in range(1, 9)])
    one, two = (outbox.sender(outbox.hook(site.url)) for _ in range(2))
    await asyncio.gather(one.send_waiting(), two.send_waiting())
    assert [json.loads(each.body)["data"]["number"] for each in site.taken] == list(range(1, 9))


async def test_senders_go_on_after_postgres_ended_their_sessions(
    outbox: Outbox, site: Site, database: str
) -> None:
    delivery = delivery_of(outbox, database, [outbox.hook(site.url)])
    async with running(delivery.run):
        await outbox.put(transition())
        await soon(lambda: _has(site, 1))
        person = await asyncpg.connect(database)
        await person.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await enqueue(person, [transition(number=2)], {"conversion drops": ["hook"]})
        await person.close()
        await soon(lambda: _has(site, 2))


async def test_what_waits_for_a_receiver_that_is_no_longer_there_is_given_up(
    outbox: Outbox, site: Site, database: str
) -> None:
    await outbox.put(transition(), to=["former"])
    await outbox.put(transition(number=2, decided_at=real_time()), to=["former"])
    delivery = delivery_of(outbox, database, [outbox.hook(site.url)])
    await delivery.tidy()
    reading = await outbox.reading("former")
    assert (reading.known, reading.waiting, reading.given_up) == (False, 1, 1)
    assert (await outbox.reading("hook")).known
    assert real_time() - NOON > PATIENCE


async def test_old_transitions_that_were_told_are_deleted(outbox: Outbox, site: Site, database: str) -> None:
    long_ago = real_time() - KEPT - timedelta(days=1)
    told = [transition("fired", 1, decided_at=long_ago), transition("resolved", 2, decided_at=long_ago)]
    waiting = transition("fired", 1, pipeline=UUID(int=1), decided_at=long_ago)
    recent = transition("fired", 3, decided_at=long_ago + timedelta(days=2))
    await outbox.put(*told, waiting, recent)
    await outbox.put(transition("resolved", 2, pipeline=UUID(int=1), decided_at=long_ago))
    done = "update funnelproof.alert_delivery set delivered_at = now() where event_id <> $1"
    await outbox.pool.execute(done, waiting.event_id)
    await delivery_of(outbox, database, [outbox.hook(site.url)]).tidy()
    left = await outbox.pool.fetch(
        "select alert_id, number from funnelproof.alert_event order by event_number"
    )
    assert [row["number"] for row in left] == [1, 3, 2]
    assert left[0]["alert_id"] == waiting.alert_id
    assert await outbox.pool.fetchval("select count(*) from funnelproof.alert_delivery") == 6


async def test_a_redirect_is_not_followed(outbox: Outbox, site: Site) -> None:
    await outbox.put(transition())
    site.answer(web.Response(status=307, headers={"location": f"{site.url}/elsewhere"}))
    await outbox.sender(outbox.hook(site.url)).send_waiting()
    assert [each.path for each in site.taken] == ["/"]
    assert (await outbox.reading()).last_error == (
        "answers 307 Temporary Redirect: redirects are not followed, give the final address"
    )


@pytest.mark.usefixtures("restored_logging")
async def test_no_secret_is_ever_told(
    outbox: Outbox, site: Site, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    configure_logging("json", "debug")
    root = logging.getLogger()
    root.addHandler(caplog.handler)
    secrets = ("hunter2", "t0ken", "k3y")
    hidden = [
        f"http://me:hunter2@127.0.0.1:{site.port}/t0ken?key=k3y",
        "http://me:hunter2@127.0.0.1:9/t0ken?key=k3y",
        "http://me:hunter2@127.0.0.1:x/t0ken?key=k3y",
        "http://me:hunter2@no such host/t0ken?key=k3y",
        f"https://me:hunter2@127.0.0.1:{site.port}/t0ken?key=k3y",
    ]
    for number, url in enumerate(hidden, 1):
        channel = outbox.hook(url, "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==")
        await outbox.put(transition(number=number))
        site.answer(web.Response(status=500, text=url, reason="t0ken"))
        await outbox.sender(channel).send_waiting()
        assert not any(secret in repr(channel) + repr(vars(channel)) for secret in secrets)
        why = (await outbox.reading()).last_error
        assert why
        assert not any(secret in why for secret in secrets)
        await outbox.pool.execute("update funnelproof.alert_delivery set delivered_at = now()")
    said = "".join([*capfd.readouterr(), caplog.text])
    assert "an alert could not be delivered" in said
    assert not [secret for secret in secrets if secret in said]
    root.removeHandler(caplog.handler)


async def test_a_certificate_that_nobody_trusts_is_refused(outbox: Outbox, tmp_path: Path) -> None:
    async with another_site(Authority(tmp_path).issue("site", "127.0.0.1")) as secured:
        await outbox.put(transition())
        await outbox.sender(outbox.hook(secured.url)).send_waiting()
        assert secured.taken == []
    assert (await outbox.reading()).last_error == (
        "no TLS connection (CERTIFICATE_VERIFY_FAILED): mend its certificate or address"
    )


async def test_an_answer_without_an_end_does_no_harm(outbox: Outbox) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        await outbox.put(transition())
        hook = outbox.hook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await asyncio.wait_for(outbox.sender(hook).send_waiting(), 5)
    assert await outbox.waiting() == 0


async def test_silences_that_ended_long_ago_are_deleted(outbox: Outbox, site: Site, database: str) -> None:
    ends = [real_time() - KEPT - timedelta(days=1), real_time() - KEPT + timedelta(days=1)]
    for number, (end, is_told) in enumerate((end, told) for end in ends for told in (True, False)):
        await outbox.pool.execute(
            "insert into funnelproof.alert_silence (rule, starts_at, ends_at, reason, author, told_at) "
            "values ($1, $2::timestamptz - interval '1 hour', $2, 'works', 'somebody', "
            "case when $3 then $2::timestamptz end)",
            f"rule {number}",
            end,
            is_told,
        )
    await delivery_of(outbox, database, [outbox.hook(site.url)]).tidy()
    left = await outbox.pool.fetch("select rule from funnelproof.alert_silence order by rule")
    assert [row["rule"] for row in left] == ["rule 1", "rule 2", "rule 3"]
