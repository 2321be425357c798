-- A page of findings, the newest first. $1 to $4: tenant, pipeline, kind and start of the window, null for every one. $5: only
-- the open ones, or only the resolved ones; null for both. $6: the last one of the page before, or null. $7: the most.
select finding.*
from funnelproof.web_finding as finding
where
    ($1::uuid is null or finding.tenant_id = $1)
    and ($2::uuid is null or finding.pipeline_id = $2)
    and ($3::text is null or finding.window_name = $3)
    and ($4::timestamptz is null or finding.window_start = $4)
    and ($5::boolean is null or (finding.resolved_at is null) = $5)
    and ($6::bigint is null or finding.finding_id < $6)
order by finding.finding_id desc
limit $7
