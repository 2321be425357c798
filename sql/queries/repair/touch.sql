-- Marks windows for a revision by the repair $1, due after $8. The closer's lock must be held: a closer deletes the marks
-- that it has handled.
-- $2 to $7: tenants, pipelines, names, starts and ends of the windows, and whether the revision gets the present pairs
insert into funnelproof.touched_window as touched (
    tenant_id, pipeline_id, window_name, window_start, window_end, present_pairs, touched_at, repair_id
)
select
    wrong.*,
    clock_timestamp() + $8,
    $1
from
    unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::boolean[])
        as wrong (tenant_id, pipeline_id, window_name, window_start, window_end, present_pairs)
on conflict (tenant_id, pipeline_id, window_name, window_start) do update
    set
        touched_at = excluded.touched_at,
        repair_id = excluded.repair_id,
        present_pairs = touched.present_pairs or excluded.present_pairs
