-- Deletes the marks of touched windows that were handled.
delete from funnelproof.touched_window as touched
using
    unnest($1::text[]::uuid[], $2::text[]::uuid[], $3::text[], $4::timestamptz[])
        as handled (tenant_id, pipeline_id, window_name, window_start)
where
    touched.tenant_id = handled.tenant_id
    and touched.pipeline_id = handled.pipeline_id
    and touched.window_name = handled.window_name
    and touched.window_start = handled.window_start
