-- Deletes every row before a truncate: the log then has a delete event per row. The function runs with the rights of
-- its owner, since whoever truncates may lack the right to delete. `always`: also in sessions that replicate. The
-- comment has the truncate's transaction as its row version: the fingerprint tells the truncate from another rewrite.
-- The trigger goes with a table that gets another name: a truncate of the former table must not empty the present one.
create or replace function dyno_crm.funnelproof_delete_before_truncate() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_relid = to_regclass('dyno_crm.deal_pipeline_stage_state') then
        delete from dyno_crm.deal_pipeline_stage_state;
        comment on trigger funnelproof_delete_before_truncate on dyno_crm.deal_pipeline_stage_state
        is 'deletes every row before a truncate, and notes the truncate here';
    end if;
    return null;
end
$$;

revoke all on function dyno_crm.funnelproof_delete_before_truncate() from public;

create or replace trigger funnelproof_delete_before_truncate
before truncate on dyno_crm.deal_pipeline_stage_state
for each statement execute function dyno_crm.funnelproof_delete_before_truncate();

alter table dyno_crm.deal_pipeline_stage_state
enable always trigger funnelproof_delete_before_truncate;
