-- The alerts of a rule that are or were on. $1 rule, $2 kind of window, $3 tiling
select
    alert.alert_id,
    alert.tenant_id::text as tenant_id,
    alert.pipeline_id::text as pipeline_id,
    alert.from_stage_id::text as from_stage_id,
    alert.to_stage_id::text as to_stage_id,
    alert.state,
    alert.number,
    alert.active_since,
    alert.recovered_at,
    alert.fired_at,
    alert.is_held,
    alert.window_start,
    alert.window_end,
    alert.content
from funnelproof.alert_state as alert
where alert.rule = $1 and alert.window_name = $2 and alert.tiling = $3
