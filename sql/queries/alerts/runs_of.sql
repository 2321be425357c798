-- The latest runs of a closed window, with their revisions. $1 kind, $2 start, $3 tenants, $4 pipelines
select
    run.tenant_id::text as tenant_id,
    run.pipeline_id::text as pipeline_id,
    run.run_id,
    run.revision
from unnest($3::text[]::uuid[], $4::text[]::uuid[]) as wanted (tenant_id, pipeline_id)
inner join funnelproof.latest_run as run using (tenant_id, pipeline_id)
where run.window_name = $1 and run.window_start = $2
