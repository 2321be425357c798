-- The rows of a pipeline with an entry in a stretch of time. $1 tenant, $2 pipeline, $3 start, $4 end
select
    state.id as row_id,
    state.deal_id,
    state.pipeline_stage_id as stage_id,
    (extract(epoch from state.entered_at) * 1000000)::bigint as entered_at
from dyno_crm.deal_pipeline_stage_state as state
where
    state.tenant_id = $1
    and state.pipeline_id = $2
    and state.entered_at >= $3
    and state.entered_at < $4
