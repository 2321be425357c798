-- The rows of a deal in a pipeline, the earliest entry first. $1 tenant, $2 pipeline, $3 deal, $4 the most rows
select
    state.id as row_id,
    state.pipeline_stage_id as stage_id,
    state.entered_at
from dyno_crm.deal_pipeline_stage_state as state
where state.tenant_id = $1 and state.pipeline_id = $2 and state.deal_id = $3
order by state.entered_at, state.id
limit $4
