-- Keeps the states of alerts. $1 a JSON array of states
insert into funnelproof.alert_state as known (
    alert_id, rule, kind, severity, window_name, tiling, tenant_id, pipeline_id, from_stage_id, to_stage_id,
    state,
    number,
    active_since,
    recovered_at,
    fired_at,
    is_held,
    window_start,
    window_end,
    content,
    changed_at
)
select
    told.alert_id,
    told.rule,
    told.kind,
    told.severity,
    told.window_name,
    told.tiling,
    told.tenant_id,
    told.pipeline_id,
    told.from_stage_id,
    told.to_stage_id,
    told.state,
    told.number,
    told.active_since,
    told.recovered_at,
    told.fired_at,
    told.is_held,
    told.window_start,
    told.window_end,
    told.content,
    clock_timestamp()
from jsonb_populate_recordset(null::funnelproof.alert_state, $1::text::jsonb) as told
on conflict (alert_id) do update
    set
        severity = excluded.severity,
        state = excluded.state,
        number = excluded.number,
        active_since = excluded.active_since,
        recovered_at = excluded.recovered_at,
        fired_at = excluded.fired_at,
        is_held = excluded.is_held,
        window_start = excluded.window_start,
        window_end = excluded.window_end,
        content = excluded.content,
        changed_at = excluded.changed_at
