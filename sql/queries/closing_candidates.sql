-- Touched windows that have been collected for long enough, with the run that a revision would follow.
select
    touched.tenant_id::text,
    touched.pipeline_id::text,
    touched.window_name,
    touched.window_start,
    touched.window_end,
    coalesce(run.revision, 0) + 1 as revision,
    run.run_id as previous_run_id
from funnelproof.touched_window as touched
left join funnelproof.latest_run as run
    using (tenant_id, pipeline_id, window_name, window_start)
where touched.touched_at <= clock_timestamp() - $1::interval
order by touched.touched_at
limit $2
