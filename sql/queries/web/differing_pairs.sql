-- Windows of a pipeline with open findings, and how many pairs of stages differ there. $1 to $3: tenant, pipeline, kind
select
    finding.window_start,
    count(distinct array[finding.from_stage_id, finding.to_stage_id]) as pairs
from funnelproof.web_finding as finding
where
    finding.tenant_id = $1
    and finding.pipeline_id = $2
    and finding.window_name = $3
    and finding.resolved_at is null
group by finding.window_start
