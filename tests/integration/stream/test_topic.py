"""A topic that changes its identity under a running worker."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from streams.cdc.own_topics import DATA_TOPIC_SETTINGS
from streams.cdc.topics import Topics
from tests.integration.stream.conftest import Install
from tests.integration.stream.funnel import Funnel
from tests.integration.stream.installation import Installation

pytestmark = [pytest.mark.thorough, pytest.mark.timeout(300)]

WRITTEN = """
select
    (select jsonb_agg(p order by p) from funnelproof.partial as p),
    (select jsonb_agg(r order by r) from funnelproof.window_run as r where r.revision > 1)
"""


async def make_anew(installation: Installation) -> None:
    """As an operator by mistake: the connector goes on where it was, so the new log has no snapshot."""
    topics, name = Topics(installation.settings.brokers), installation.settings.data_topic
    await topics.delete([name])
    await topics.ensure(name, installation.settings.partitions, DATA_TOPIC_SETTINGS)


async def add_partitions(installation: Installation) -> None:
    """Two more; the connector goes on using the first four."""
    admin = AdminClient({"bootstrap.servers": installation.settings.kafka})
    name = installation.settings.data_topic
    await asyncio.wrap_future(admin.create_partitions([NewPartitions(name, 6)])[name])


CHANGES = (
    (make_anew, "was deleted and made anew", Installation.begin_anew),
    (Installation.begin_anew, "was deleted", None),
    (add_partitions, "has 6 partitions now, no longer 4", None),
)
"""A change of the topic, the worker's last words, and what the next worker needs."""


async def test_a_topic_that_is_not_the_same_any_more_stops_the_worker_and_the_next_one_counts_anew(
    install: Install,
) -> None:
    async with install(WINDOWS="1h", FLUSH_INTERVAL="20ms") as installation:
        connection, funnel = installation.connection, Funnel()
        await funnel.create(connection)
        await a_worker_does_not_start_on_a_topic_that_may_be_compacted_during_a_replay(installation)
        worker = installation.start_worker()
        await installation.wait_until_folding()
        await funnel.enter_two_deals(connection, await installation.now())
        for change, message, mend in CHANGES:
            await installation.proven()
            await installation.right(funnel.tenant)
            written = await connection.fetchrow(WRITTEN)

            await change(installation)
            # Enough for the new log to grow beyond the positions that the worker has reached in the old one.
            for _ in range(30):
                await funnel.enter(connection, funnel.ids["deal_1"], "c", await installation.now())
            assert await asyncio.to_thread(worker.process.wait, 20) == 1
            last = worker.log(1)
            assert message in last
            assert "funnelproof rebuild" in last
            if change is not add_partitions:  # the worker may count on until it has noticed
                assert await connection.fetchrow(WRITTEN) == written

            if mend is not None:
                await mend(installation)
            worker = installation.start_worker()
            await installation.wait_until_folding()
            await installation.proven()
            await installation.right(funnel.tenant)
        assert await worker.stop() == 0
        await deals_are_not_spread_over_another_number_of_partitions_while_a_log_has_them(installation)


async def a_worker_does_not_start_on_a_topic_that_may_be_compacted_during_a_replay(
    installation: Installation,
) -> None:
    settings = installation.settings
    almost = {"min.compaction.lag.ms": str(6 * 3_600_000 - 1)}
    await Topics(settings.brokers).ensure(settings.data_topic, settings.partitions, almost)
    done = await asyncio.to_thread(installation.run, "worker")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"topic {settings.data_topic} may be compacted after 5:59:59.999000" in done.stderr
    assert "run `funnelproof connector apply`" in done.stderr
    done = await asyncio.to_thread(installation.run, "connector", "apply")
    assert done.returncode == 0, done.stderr


async def deals_are_not_spread_over_another_number_of_partitions_while_a_log_has_them(
    installation: Installation,
) -> None:
    installation.environment["FUNNELPROOF_PARTITIONS"] = "6"
    done = await asyncio.to_thread(installation.run, "connector", "apply")
    assert done.returncode == 2
    assert "spreads deals over 4 partitions, FUNNELPROOF_PARTITIONS says 6" in done.stderr
    await installation.begin_anew()
