-- The simulated CRM: deals enter stages, `seconds ago` before the present time by the database's clock.
-- $1 row ids, $2 tenant ids, $3 deal ids, $4 pipeline ids, $5 stage ids, $6 seconds ago
insert into dyno_crm.deal_pipeline_stage_state (
    id, tenant_id, deal_id, pipeline_id, pipeline_stage_id, entered_at
)
select
    entry.id,
    entry.tenant_id,
    entry.deal_id,
    entry.pipeline_id,
    entry.stage_id,
    clock_timestamp() - make_interval(secs => entry.seconds_ago) as entered_at
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::double precision[])
    as entry (id, tenant_id, deal_id, pipeline_id, stage_id, seconds_ago)
