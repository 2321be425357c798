"""Changes of what the capture rests on: publication, triggers, row security, privileges, origins."""

from tests.source_changes.action import PROOF, WRITE, Action, Cost, statements

ADD = "alter publication {publication} add table {rows}"
DROP = "alter publication {publication} drop table {rows}"
MAKE = "create publication {publication} for table {rows}"
WHOLE = "alter publication {publication} set table {rows}"
ALL_OPERATIONS = "alter publication {publication} set (publish = 'insert, update, delete, truncate')"
ALWAYS = "alter table {rows} enable always trigger {trigger}"
AS_REPLICA = "set session_replication_role = replica"
AS_ORIGIN = "set session_replication_role = origin"
LOST_DELETE = "delete from {rows} where id in (select id from {rows} order by id limit 3)"
ROLES = frozenset({"roles"})
EMIT = "function pg_logical_emit_message(boolean, text, text, boolean)"

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
        Cost.COMPARISON,
        *(ALL_OPERATIONS, WHOLE, WRITE),
    ),
)
TRIGGERS = (
    statements("rows are truncated", Cost.NOTHING, "truncate {rows}", WRITE),
    statements(
        "rows are truncated as a replica", Cost.NEW_LOG, AS_REPLICA, "truncate {rows}", AS_ORIGIN, WRITE
    ),
    statements(
        "rows are truncated past a disabled trigger",
        Cost.NEW_LOG,
        *("alter table {rows} disable trigger {trigger}", "truncate {rows}", ALWAYS),
    ),
    statements(
        "rows are truncated with all triggers disabled",
        Cost.NEW_LOG,
        *("alter table {rows} disable trigger all", PROOF, "truncate {rows}", WRITE),
        mend=("alter table {rows} enable trigger all", ALWAYS),
    ),
    statements(
        "the truncate trigger is dropped",
        Cost.NEW_LOG,
        *("drop trigger {trigger} on {rows}", "truncate {rows}", WRITE),
    ),
    statements(
        "the truncate trigger's function does nothing while rows are truncated",
        Cost.NEW_LOG,
        "create or replace function dyno_crm.{trigger}() returns trigger language plpgsql as "
        "'begin return null; end'",
        "truncate {rows}",
        "create or replace function dyno_crm.{trigger}() returns trigger language plpgsql as "
        "'begin delete from {rows}; return null; end'",
    ),
    statements(
        "the truncate trigger is enabled for origins only",
        Cost.NEW_LOG,
        *("alter table {rows} enable trigger {trigger}", PROOF, AS_REPLICA, "truncate {rows}", AS_ORIGIN),
        mend=(ALWAYS,),
    ),
)
WRITES = (
    statements(
        "rows are written as a replica",
        Cost.NOTHING,
        *(AS_REPLICA, WRITE, LOST_DELETE, AS_ORIGIN),
    ),
    statements(
        "rows are written under a replication origin",
        Cost.NOTHING,
        "select pg_replication_origin_create('{publication}')",
        "select pg_replication_origin_session_setup('{publication}')",
        *(WRITE, LOST_DELETE, "select pg_replication_origin_session_reset()"),
        "select pg_replication_origin_drop('{publication}')",
    ),
    statements(
        "a prepared transaction is committed later",
        Cost.NOTHING,
        "begin; " + LOST_DELETE + "; prepare transaction '{publication}'",
        *(PROOF, "commit prepared '{publication}'"),
    ),
    statements(
        "all rows are changed in one transaction",
        Cost.NOTHING,
        "begin; update {rows} set entered_at = entered_at - interval '3 s'; "
        "update {rows} set pipeline_stage_id = pipeline_stage_id; commit",
    ),
    statements(
        "a savepoint is rolled back",
        Cost.NOTHING,
        "begin; savepoint one; delete from {rows}; rollback to savepoint one; " + LOST_DELETE + "; commit",
    ),
)
SECURITY = (
    statements(
        "row security hides all rows from the roles",
        Cost.NEW_LOG,
        "alter table {rows} enable row level security",
        *(WRITE, PROOF),
        mend=("alter table {rows} disable row level security",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "row security with a policy for tenants, forced",
        Cost.NEW_LOG,
        "create policy own on {rows} using (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)",
        "alter table {rows} enable row level security; alter table {rows} force row level security",
        WRITE,
        mend=("alter table {rows} disable row level security",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "row security for a while",
        Cost.NEW_LOG,
        "alter table {rows} enable row level security",
        *(WRITE, "alter table {rows} disable row level security"),
    ),
    statements(
        "row security hides the stages",
        Cost.NEW_LOG,
        "alter table {stages} enable row level security",
        *(WRITE, PROOF, PROOF),
        mend=("alter table {stages} disable row level security",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "row security shows half of the rows",
        Cost.NEW_LOG,
        "create policy half on {rows} using (id < '80000000-0000-0000-0000-000000000000')",
        "alter table {rows} enable row level security",
        *(WRITE, PROOF),
        mend=("alter table {rows} disable row level security",),
        needs=ROLES,
        early=True,
    ),
)
PRIVILEGES = (
    statements(
        "workers may not read the rows",
        Cost.NEW_LOG,
        "revoke select on {rows} from {worker}",
        WRITE,
        mend=("grant select on {rows} to {worker}",),
        needs=ROLES,
    ),
    statements(
        "workers may not read the stages for a while",
        Cost.NEW_LOG,
        *("revoke select on {stages} from {worker}", WRITE, PROOF, "grant select on {stages} to {worker}"),
        needs=ROLES,
    ),
    statements(
        "workers may not use the CRM's schema",
        Cost.NEW_LOG,
        "revoke usage on schema dyno_crm from {worker}",
        WRITE,
        mend=("grant usage on schema dyno_crm to {worker}",),
        needs=ROLES,
    ),
    statements(
        "workers may emit no markers",
        Cost.NEW_LOG,
        f"revoke execute on {EMIT} from public",
        WRITE,
        mend=(f"grant execute on {EMIT} to public",),
        needs=ROLES,
    ),
    statements(
        "Debezium may not read the rows",
        Cost.NEW_LOG,
        *("revoke select on {rows} from {cdc}", WRITE),
        mend=("grant select on {rows} to {cdc}",),
        needs=ROLES,
        early=True,
    ),
    statements(
        "another role gets rights, and the table another owner",
        Cost.COMPARISON,
        "grant select, insert on {rows} to funnelproof_reader",
        "alter table {rows} owner to funnelproof_reader",
        needs=ROLES,
    ),
)
CHANGES: tuple[Action, ...] = PUBLICATION + TRIGGERS + WRITES + SECURITY + PRIVILEGES
