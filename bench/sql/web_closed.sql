-- The facts of the closed windows of the kind $3 of a pipeline, the newest first, $4 windows at most.
with
windows as (
    select distinct closed.window_start
    from dyno_crm.stage_conversion_current as closed
    where closed.tenant_id = $1 and closed.pipeline_id = $2 and closed.window_name = $3
    order by closed.window_start desc
    limit $4
)

select
    closed.window_start,
    closed.window_end,
    closed.run_id,
    closed.revision,
    closed.from_stage_id,
    closed.to_stage_id,
    closed.entered_count,
    closed.converted_count
from dyno_crm.stage_conversion_current as closed
inner join windows using (window_start)
where closed.tenant_id = $1 and closed.pipeline_id = $2 and closed.window_name = $3
order by closed.window_start desc
