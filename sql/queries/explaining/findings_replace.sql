-- Deletes the unresolved findings of windows. $1 to $4: tenants, pipelines, kinds, starts
delete from funnelproof.finding
using
    unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[])
        as explained (tenant_id, pipeline_id, window_name, window_start)
where
    finding.resolved_at is null
    and finding.tenant_id = explained.tenant_id
    and finding.pipeline_id = explained.pipeline_id
    and finding.window_name = explained.window_name
    and finding.window_start = explained.window_start
