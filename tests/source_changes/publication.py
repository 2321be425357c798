"""Changes of the publication: its tables, operations, filters, name."""

from tests.source_changes.action import LOST_DELETE, PROOF, WRITE, Action, Cost, statements

ADD = "alter publication {publication} add table {rows}"
DROP = "alter publication {publication} drop table {rows}"
MAKE = "create publication {publication} for table {rows}"
WHOLE = "alter publication {publication} set table {rows}"
ALL_OPERATIONS = "alter publication {publication} set (publish = 'insert, update, delete, truncate')"

PUBLICATION = (
    statements("the publication lacks the table", Cost.NEW_LOG, DROP, WRITE, mend=(ADD,)),
    statements("the publication lacks the table while rows are written", Cost.NEW_LOG, DROP, WRITE, ADD),
    statements(
        "the publication lacks the table while rows are deleted", Cost.NEW_LOG, DROP, LOST_DELETE, ADD
    ),
    statements("the publication lacks the table for a while", Cost.NEW_LOG, DROP, PROOF, WRITE, PROOF, ADD),
    statements(
        "the publication has inserts only",
        Cost.NEW_LOG,
        "alter publication {publication} set (publish = 'insert')",
        WRITE,
        mend=(ALL_OPERATIONS,),
    ),
    statements(
        "the publication has no deletes while rows are written",
        Cost.NEW_LOG,
        *("alter publication {publication} set (publish = 'insert, update')", WRITE, ALL_OPERATIONS),
    ),
    statements(
        "the publication has a row filter",
        Cost.NEW_LOG,
        "alter publication {publication} set table {rows} where (exited_at is null)",
        WRITE,
        mend=(WHOLE,),
    ),
    statements(
        "the publication has a row filter while rows are written",
        Cost.NEW_LOG,
        "alter publication {publication} set table {rows} where (exited_at is not null)",
        *(WRITE, WHOLE),
    ),
    statements(
        "the publication has too few columns while rows are written",
        Cost.NEW_LOG,
        "alter publication {publication} set table {rows} (id, tenant_id, deal_id, pipeline_id, pipeline_stage_id)",
        *(WRITE, WHOLE),
    ),
    statements(
        "the publication is dropped", Cost.NEW_LOG, "drop publication {publication}", WRITE, mend=(MAKE,)
    ),
    statements(
        "the publication is dropped and made again while rows are written",
        Cost.NEW_LOG,
        *("drop publication {publication}", WRITE, MAKE),
    ),
    statements(
        "the publication has another name for a while",
        Cost.NEW_LOG,
        *("alter publication {publication} rename to {publication}_x", WRITE),
        "alter publication {publication}_x rename to {publication}",
    ),
    statements(
        "the publication is made anew for all tables",
        Cost.NEW_LOG,
        "drop publication {publication}; create publication {publication} for all tables",
        WRITE,
        mend=("drop publication {publication}; " + MAKE,),
    ),
    statements(
        "a publication of others is made for all tables",
        Cost.NOTHING,
        "create publication {publication}_others for all tables",
        early=True,
    ),
    statements(
        "the publication is made by others, with inserts only",
        Cost.NEW_LOG,
        "drop publication if exists {publication}; " + MAKE + " with (publish = 'insert')",
        mend=(ALL_OPERATIONS,),
        early=True,
    ),
    statements(
        "the publication is set as it is",
        Cost.NEW_LOG,
        *(ALL_OPERATIONS, WHOLE, WRITE),
    ),
)
ADDITIONS = (
    statements(
        "the publication gets another table",
        Cost.NEW_LOG,
        *("alter publication {publication} add table {stages}", WRITE),
    ),
    statements(
        "the publication gets the whole schema",
        Cost.COMPARISON,
        *("alter publication {publication} add tables in schema dyno_crm", WRITE),
    ),
    statements(
        "the publication gets another owner",
        Cost.NEW_LOG,
        *("alter publication {publication} owner to current_user", WRITE),
    ),
    statements(
        "the publication publishes by way of roots",
        Cost.NEW_LOG,
        *("alter publication {publication} set (publish_via_partition_root = true)", WRITE),
    ),
    statements(
        "a stranger's messages have the markers' prefix",
        Cost.NOTHING,
        "select pg_logical_emit_message(true, 'funnelproof.{slot}', 'no marker')",
        """select pg_logical_emit_message(true, 'funnelproof.{slot}', '{{"n": 1, "token": "none"}}')""",
    ),
)
CHANGES: tuple[Action, ...] = PUBLICATION + ADDITIONS
