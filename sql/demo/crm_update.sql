-- The simulated CRM: rows get new values, their entry moves back in time, and the deal may leave the stage now.
-- $1 rows, $2 tenants, $3 deals, $4 pipelines, $5 stages, $6 seconds back, $7 is left
update dyno_crm.deal_pipeline_stage_state as state
set
    tenant_id = changed.tenant_id,
    deal_id = changed.deal_id,
    pipeline_id = changed.pipeline_id,
    pipeline_stage_id = changed.stage_id,
    entered_at = state.entered_at - make_interval(secs => changed.seconds_back),
    exited_at = case when changed.is_left then clock_timestamp() else state.exited_at end
from
    unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[],
        $6::double precision[], $7::boolean[]
    ) as changed (id, tenant_id, deal_id, pipeline_id, stage_id, seconds_back, is_left)
where state.id = changed.id
