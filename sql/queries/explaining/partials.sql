-- The partials of windows of pipelines, in the current epoch. $1 to $4: tenants, pipelines, kinds, starts
select
    asked.place,
    partial.partition,
    partial.from_stage_id::text as from_stage,
    partial.to_stage_id::text as to_stage,
    coalesce(partial.profile, partial.deals)::text as profile
from
    unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
    with ordinality as asked (tenant_id, pipeline_id, window_name, window_start, place)
inner join funnelproof.partial
    on
        asked.tenant_id = partial.tenant_id
        and asked.pipeline_id = partial.pipeline_id
        and asked.window_name = partial.window_name
        and asked.window_start = partial.window_start
inner join funnelproof.installation using (epoch)
