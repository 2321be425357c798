-- Entries, one for each of the arrays' elements.
insert into dyno_crm.deal_pipeline_stage_state
(id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at)
select
    entry.id,
    entry.tenant_id,
    entry.deal_id,
    entry.pipeline_id,
    entry.stage_id,
    entry.entered_at
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[])
    as entry (id, tenant_id, deal_id, pipeline_id, stage_id, entered_at)
