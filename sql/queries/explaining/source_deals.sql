-- The rows of deals, each with the transaction that has written the row last. Microseconds; null outside of the years
-- 1 to 9999. $1 deals
select
    state.id as row_id,
    state.deal_id,
    state.tenant_id,
    state.pipeline_id,
    state.pipeline_stage_id as stage_id,
    case
        when
            isfinite(state.entered_at)
            and state.entered_at >= '0001-01-01 00:00:00Z'
            and state.entered_at < '10000-01-01 00:00:00Z'
            then (extract(epoch from state.entered_at) * 1000000)::bigint
    end as entered_at,
    state.xmin::text as written_by
from dyno_crm.deal_pipeline_stage_state as state
where state.deal_id = any($1::uuid[])
