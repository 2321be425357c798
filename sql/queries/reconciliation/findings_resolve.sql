-- Resolves the findings of windows that a reconciliation has found equal. $1 the reconciliation; $2 to $5: tenants,
-- pipelines, kinds, starts
update funnelproof.finding
set resolved_at = reconciliation.started_at
from
    unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[])
        as equal (tenant_id, pipeline_id, window_name, window_start),
    funnelproof.reconciliation
where
    reconciliation.reconciliation_id = $1
    and finding.resolved_at is null
    and finding.found_at < reconciliation.started_at
    and finding.tenant_id = equal.tenant_id
    and finding.pipeline_id = equal.pipeline_id
    and finding.window_name = equal.window_name
    and finding.window_start = equal.window_start
