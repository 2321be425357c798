-- Whether windows are past their retention, and whether a revision waits for them: even one that a doubt about the log
-- holds back. $1 to $5: tenants, pipelines, kinds, starts, ends
select
    exists(
        select from funnelproof.sealed
        where sealed.window_name = asked.window_name and asked.window_end <= sealed.sealed_until
    ) as is_sealed,
    exists(
        select from funnelproof.touched_window as touched
        where
            touched.tenant_id = asked.tenant_id
            and touched.pipeline_id = asked.pipeline_id
            and touched.window_name = asked.window_name
            and touched.window_start = asked.window_start
    ) as is_touched
from
    unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
    with ordinality as asked (tenant_id, pipeline_id, window_name, window_start, window_end, place)
order by asked.place
