"""A transition is stored once, with its deliveries, in the transaction that decides it."""

from datetime import timedelta

from streams.alerts.delivery.outbox import enqueue, transition_of
from tests.fakes.alerts import NOON, evidence, storm, transition
from tests.integration.alerts.conftest import Outbox

STANDING = "select transition from funnelproof.alert_event where stands order by event_number"


async def test_a_transition_that_is_decided_twice_is_one(outbox: Outbox) -> None:
    assert await outbox.put(transition()) == 1
    assert await outbox.put(transition(decided_at=NOON + timedelta(days=1)), to=["hook", "another"]) == 0
    assert await outbox.put(transition(), *[transition("resolved", 2)] * 2) == 1
    deliveries = await outbox.pool.fetch(
        "select receiver, event_number from funnelproof.alert_delivery order by event_number, receiver"
    )
    assert [row["receiver"] for row in deliveries] == ["hook", "kafka"] * 2


async def test_nothing_is_kept_of_a_decision_that_is_rolled_back(outbox: Outbox) -> None:
    async with outbox.pool.acquire() as connection:
        decision = connection.transaction()
        await decision.start()
        assert await enqueue(connection, [transition()], {}) == 1
        await decision.rollback()
    assert await outbox.pool.fetchval("select count(*) from funnelproof.alert_event") == 0
    assert await outbox.waiting("kafka") == 0


async def test_a_transition_is_read_as_it_was_stored(outbox: Outbox) -> None:
    odd = transition(
        "retracted",
        rule='drops "quoted" \\ \u2603',
        evidence=evidence(to_stage="De'mo\u0001", revision=2, reason="backdate", age=timedelta(minutes=90)),
    )
    await outbox.put(odd)
    row = await outbox.pool.fetchrow("select *, source_lsn::text as lsn from funnelproof.alert_event")
    assert row is not None
    assert transition_of(row) == odd


async def test_the_newest_verdict_and_the_newest_hold_stand(outbox: Outbox) -> None:
    await outbox.put(transition("fired", 1), transition("held", 2))
    assert [row[0] for row in await outbox.pool.fetch(STANDING)] == ["fired", "held"]
    await outbox.put(transition("released", 3), transition("resolved", 4), transition("fired", 5))
    assert [row[0] for row in await outbox.pool.fetch(STANDING)] == ["released", "fired"]
    await outbox.put(*storm(2))
    assert await outbox.pool.fetchval("select count(*) from funnelproof.alert_event where stands") == 4


async def test_events_are_numbered_in_the_order_of_their_decisions(outbox: Outbox) -> None:
    decided = storm(30)
    await outbox.put(*decided)
    rows = await outbox.pool.fetch("select event_id from funnelproof.alert_event order by event_number")
    assert [row[0] for row in rows] == [each.event_id for each in decided]


async def test_the_view_shows_each_transition_with_its_numbers(outbox: Outbox) -> None:
    await outbox.put(transition())
    row = await outbox.pool.fetchrow("select * from dyno_crm.stage_conversion_alert_event")
    assert row is not None
    assert (row["rule"], row["kind"], row["transition"]) == ("conversion drops", "drop", "fired")
    assert (row["from_stage"], row["to_stage"]) == ("Qualified", "Demo")
    assert (row["entered_count"], row["converted_count"], row["expected_count"]) == (200, 12, 41.2)
    assert (row["odds"], row["since"], row["completeness"], row["run_id"]) == (4400, NOON, "proven", None)
