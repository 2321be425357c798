-- Deletes every row before a truncate: the log then has a delete event per row.
create or replace function dyno_crm.funnelproof_delete_before_truncate() returns trigger
language plpgsql
as $$
begin
    delete from dyno_crm.deal_pipeline_stage_state;
    return null;
end
$$;

create or replace trigger funnelproof_delete_before_truncate
before truncate on dyno_crm.deal_pipeline_stage_state
for each statement execute function dyno_crm.funnelproof_delete_before_truncate();
