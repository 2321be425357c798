-- Entries of new deals into stages, now: one for each of the arrays' elements.
insert into dyno_crm.deal_pipeline_stage_state
(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select
    gen_random_uuid(),
    entry.tenant_id,
    gen_random_uuid(),
    entry.pipeline_id,
    entry.stage_id,
    clock_timestamp()
from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as entry (tenant_id, pipeline_id, stage_id)
returning id
