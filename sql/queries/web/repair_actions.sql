-- What a repair does, in its order. $1 the repair; $2: the most
select
    action.number,
    action.kind,
    action.faults,
    action.tenant_id,
    action.pipeline_id,
    action.deal_id,
    action.window_name,
    action.window_start,
    action.done_at
from funnelproof.web_repair_action as action
where action.repair_id = $1
order by action.number
limit $2
