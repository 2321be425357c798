"""The page of operations."""

from tests.integration.web.desk import DAY
from tests.integration.web.found import find
from tests.integration.web.gallery.scene import (
    PIPELINE,
    TENANT,
    TODAY,
    Gallery,
    Scene,
    history,
    judged,
    repaired,
    wrong_day,
)
from tests.integration.web.installation import compare, deliver, doubt, letter, mark, overdue_hour

STATES = Gallery()


@STATES.state("Operations before the first worker: the first steps")
async def operations_empty(_: Scene) -> str:
    return "/operations"


@STATES.state("Operations: all is well")
async def operations_well(scene: Scene) -> str:
    scene.desk.partitions = 2
    await history(scene, days=10, works=2)
    await mark(scene.desk, needed={0: 100, 1: 100})
    await judged(scene)
    for ago in range(1, 11):
        await compare(scene.desk, TODAY - ago * DAY, age=780.0 * ago)
    return "/operations"


@STATES.state("Operations with troubles: each with its cause and its remedy", in_full=True)
async def operations_trouble(scene: Scene) -> str:
    desk = scene.desk
    desk.partitions = 3
    await history(scene, days=10, works=0)
    await desk.flush(partition=1)
    await overdue_hour(desk)
    await desk.connection.execute(
        """insert into funnelproof.partition_progress
        (epoch, partition, source_offset, claimed, flushes, worker, flushed_at)
        values ($1, 2, 100, 0, 1, 'two', clock_timestamp() - interval '94 s')""",
        desk.epoch,
    )
    await mark(desk, needed={0: 100, 1: 100, 2: 41_820})
    await scene.work(2, proof_age=92)
    await doubt(desk, "slot", "the replication slot was moved", age=1500)
    await letter(desk, "deal_id is no UUID", 8_143, age=3700, partition=1)
    await letter(desk, "deal_id is no UUID", 8_150, age=3600, partition=1)
    await compare(desk, TODAY - DAY)
    await compare(desk, TODAY - 2 * DAY, "different")
    await desk.reconciled("different", {"differences": 1})
    await desk.judge("day", age=2, held="nothing is proven")
    await scene.live("alerts", "evaluator")
    await desk.fire(TENANT, PIPELINE, "day", TODAY, TODAY + DAY)
    await deliver(desk, "on-call", age=310, error="503 from https://pager.example/v2")
    await deliver(desk, "mail", age=900, given_up=True)
    return "/operations"


@STATES.state(
    "Operations: open findings, the windows that are known longest, and the last repairs", in_full=True
)
async def operations_findings(scene: Scene) -> str:
    await history(scene, days=10)
    await judged(scene)
    found = await wrong_day(scene, 2)
    await find(scene.dsn, [*found, *await wrong_day(scene, 3)])
    await scene.desk.connection.execute(
        "update funnelproof.finding set found_at = clock_timestamp() - interval '3 h'"
    )
    await compare(scene.desk, TODAY - 2 * DAY, "different")
    await compare(scene.desk, TODAY - 3 * DAY, "different")
    await repaired(scene, found, "failed", "the log is in doubt: run `funnelproof rebuild`")
    await repaired(scene, found, "different")
    await repaired(scene, found, "equal")
    await repaired(scene, found, None)
    return "/operations#findings"
