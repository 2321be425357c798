"""What is done to workers, and to databases as a whole: crashes, restores, hands in the facts."""

from tests.source_changes.action import PROOF, WRITE, Action, Cost, next_proof, statements
from tests.source_changes.log import DROP_SLOT, MAKE_SLOT
from tests.source_changes.tables import FULL
from tests.source_changes.world import World, end

SEPARATE = frozenset({"separate"})
KEEP = "create table public.older as select * from {rows}"
IN_PLACE = (
    "create table dyno_crm.restored (like {rows} including all); drop table {rows}; "
    "alter table dyno_crm.restored rename to deal_pipeline_stage_state; "
    "insert into {rows} select * from public.older; " + FULL
)
EDIT = """
update dyno_crm.report_stage_conversion_fact
set entered_count = entered_count + 1, conversion_rate = 0
where run_id in (select run_id from dyno_crm.stage_conversion_current order by window_start desc limit 4)
"""


async def kill(world: World) -> None:
    await world.kill_and_start(keep_checkpoints=True)


async def kill_and_lose_checkpoints(world: World) -> None:
    await world.kill_and_start(keep_checkpoints=False)


async def stop_and_start(world: World) -> None:
    await world.stop_workers()
    await world.write()
    world.start_worker()


async def hand_over(world: World) -> None:
    """A second worker joins, and the first leaves."""
    first = list(world.workers)
    world.start_worker()
    await world.write()
    await next_proof(world)
    for worker in first:
        await end(worker)


async def edit_facts(world: World) -> None:
    """Only a comparison can tell of edited facts."""
    await next_proof(world)
    await world.execute(EDIT, world.report)
    await world.run("reconcile")


async def older_report(world: World) -> None:
    """Facts and counts go back to an older dump, while no worker runs."""
    dump = await world.dump(world.settings.facts_dsn)
    await world.write()
    await next_proof(world)
    await world.stop_workers()
    await world.restore(world.settings.facts_dsn, dump)
    world.start_worker()


async def older_report_under_a_worker(world: World) -> None:
    dump = await world.dump(world.settings.facts_dsn)
    await world.write()
    await next_proof(world)
    await world.restore(world.settings.facts_dsn, dump)


async def _older_source(world: World, *statements: str) -> None:
    dump = await world.dump(world.settings.source_dsn)
    await world.write()
    await next_proof(world)
    async with world.connector_stopped():
        await world.execute(DROP_SLOT)
        await world.restore(world.settings.source_dsn, dump)
        for statement in statements:
            await world.execute(statement)
    await world.connector_runs()


async def older_source(world: World) -> None:
    await _older_source(world)


async def older_source_with_a_slot(world: World) -> None:
    """As a runbook for failovers says: the slot is made by hand after a restore."""
    await _older_source(world, MAKE_SLOT)


WORKERS = (
    Action("the worker is killed", Cost.NOTHING, kill),
    Action("the worker is killed and loses its checkpoints", Cost.NOTHING, kill_and_lose_checkpoints),
    Action("the worker is stopped and started", Cost.NOTHING, stop_and_start),
    Action("another worker takes over", Cost.NOTHING, hand_over),
)
REPORT = (
    Action("facts are edited by hand, and compared", Cost.NEW_LOG, edit_facts),
    Action(
        "the report database is restored from an older dump", Cost.COMPARISON, older_report, needs=SEPARATE
    ),
    Action(
        "the report database is restored under a worker",
        Cost.COMPARISON,
        older_report_under_a_worker,
        needs=SEPARATE,
    ),
)
SOURCE = (
    Action("the source is restored from an older dump", Cost.NEW_LOG, older_source, needs=SEPARATE),
    Action(
        "the source is restored from an older dump, and the slot made",
        Cost.NEW_LOG,
        older_source_with_a_slot,
        needs=SEPARATE,
    ),
    statements(
        "rows go back to older ones by statements",
        Cost.NOTHING,
        *(KEEP, WRITE, PROOF),
        "begin; delete from {rows}; insert into {rows} select * from public.older; commit",
    ),
    statements(
        "the table is restored in place from older rows",
        Cost.NEW_LOG,
        *(KEEP, WRITE, PROOF),
        f"begin; {IN_PLACE}; commit",
        WRITE,
        mend=("alter publication {publication} add table {rows}",),
    ),
    statements(
        "the table is restored in place from older rows, and published",
        Cost.NEW_LOG,
        *(KEEP, WRITE, PROOF),
        f"begin; {IN_PLACE}; alter publication {{publication}} add table {{rows}}; commit",
    ),
)


async def copy_in(world: World) -> None:
    """Rows arrive by COPY, as pg_dump writes them."""
    columns = ("id", "tenant_id", "deal_id", "pipeline_id", "pipeline_stage_id", "entered_at")
    crm = world.crm
    now = await world.source.fetchval("select clock_timestamp()")
    ids = crm.funnel.ids
    records = [
        (crm.new_id(), ids["tenant"], crm.new_id(), ids["pipeline"], ids[stage], now) for stage in "abcabc"
    ]
    await world.source.copy_records_to_table(
        "deal_pipeline_stage_state", schema_name="dyno_crm", columns=columns, records=records
    )


CHANGES: tuple[Action, ...] = (
    *WORKERS,
    *REPORT,
    *SOURCE,
    Action("rows are copied in", Cost.NOTHING, copy_in),
)
