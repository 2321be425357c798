-- The windows with unresolved findings from before a reconciliation began. $1 the reconciliation
select distinct
    finding.tenant_id,
    finding.pipeline_id,
    finding.window_name,
    finding.window_start,
    finding.window_end
from funnelproof.finding
inner join funnelproof.reconciliation on reconciliation.reconciliation_id = $1
where finding.resolved_at is null and finding.found_at < reconciliation.started_at
