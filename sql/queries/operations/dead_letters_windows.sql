-- The state of windows of pipelines: proven or estimated where the last run is so, open otherwise.
-- $1 tenants, $2 pipelines, $3 kinds, $4 starts
select
    asked.place,
    coalesce(latest.completeness, 'open') as state
from
    unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
    with ordinality as asked (tenant_id, pipeline_id, window_name, window_start, place)
left join lateral (
    select proof.completeness
    from funnelproof.window_run as run
    inner join funnelproof.proof using (proof_id)
    where
        run.tenant_id = asked.tenant_id
        and run.pipeline_id = asked.pipeline_id
        and run.window_name = asked.window_name
        and run.window_start = asked.window_start
    order by run.revision desc
    limit 1
) as latest on true
order by asked.place
