"""Truncates past the truncate trigger, and writes of unusual sessions."""

from tests.source_changes.action import LOST_DELETE, PROOF, WRITE, Action, Cost, statements

ALWAYS = "alter table {rows} enable always trigger {trigger}"
AS_REPLICA = "set session_replication_role = replica"
AS_ORIGIN = "set session_replication_role = origin"

TRIGGERS = (
    statements("rows are truncated", Cost.COMPARISON, "truncate {rows}", WRITE),
    statements(
        "rows are truncated by cascade",
        Cost.COMPARISON,
        "create table public.deals as select distinct deal_id as id from {rows}",
        "alter table public.deals add primary key (id)",
        "alter table {rows} add constraint of_a_deal foreign key (deal_id) references public.deals",
        "truncate public.deals cascade",
        *("alter table {rows} drop constraint of_a_deal", WRITE),
    ),
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
        "create or replace function dyno_crm.{trigger}() returns trigger language plpgsql security definer as "
        "'begin return null; end'",
        "truncate {rows}",
        "create or replace function dyno_crm.{trigger}() returns trigger language plpgsql security definer as "
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
CHANGES: tuple[Action, ...] = TRIGGERS + WRITES
