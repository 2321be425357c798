-- The pipelines that have a run of a window with the same start: an older tzdata has closed the window with another end.
select
    run.tenant_id::text,
    run.pipeline_id::text,
    run.window_name,
    run.window_start
from funnelproof.window_run as run
inner join
    unnest($1::text[], $2::timestamptz[]) as due (window_name, window_start)
    using (window_name, window_start)
where run.revision = 1
