-- The state of windows of pipelines: proven or estimated where the last run is so, open otherwise.
-- $1 tenants, $2 pipelines, $3 kinds, $4 starts
with
asked as (
    select wanted.*
    from
        unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
        with ordinality as wanted (tenant_id, pipeline_id, window_name, window_start, place)
),

latest as (
    select distinct on (asked.place)
        asked.place,
        proof.completeness
    from asked
    inner join funnelproof.window_run as run using (tenant_id, pipeline_id, window_name, window_start)
    inner join funnelproof.proof using (proof_id)
    order by asked.place asc, run.revision desc
)

select
    asked.place,
    coalesce(latest.completeness, 'open') as state
from asked
left join latest using (place)
order by asked.place
