-- Windows with open findings, those that are known longest first, and the number of all open findings. `run_id` is of the run
-- that differs. $1: the most windows
select
    finding.tenant_id,
    finding.tenant,
    finding.pipeline_id,
    finding.pipeline,
    finding.window_name,
    finding.window_start,
    finding.window_end,
    (array_agg(finding.run_id) filter (where finding.run_id is not null))[1] as run_id,
    array_agg(distinct finding.fault) as faults,
    count(*) as findings,
    count(distinct finding.deal_id) as deals,
    extract(epoch from clock_timestamp() - min(finding.found_at))::double precision as age,
    (sum(count(*)) over ())::bigint as total,
    count(*) over () as windows
from funnelproof.web_finding as finding
where finding.resolved_at is null
group by
    finding.tenant_id, finding.tenant, finding.pipeline_id, finding.pipeline, finding.window_name,
    finding.window_start, finding.window_end
order by min(finding.found_at), finding.window_start, finding.tenant_id, finding.pipeline_id
limit $1
