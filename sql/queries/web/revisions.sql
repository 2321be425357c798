-- All runs of a pipeline in the windows of a kind that begin at $4, by window and revision.
select run.*
from funnelproof.web_run as run
where
    run.tenant_id = $1
    and run.pipeline_id = $2
    and run.window_name = $3
    and run.window_start = any($4::timestamptz[])
order by run.window_start, run.revision
