-- Records what the repair $1 is to do. $2 to $8: kinds, faults with commas between, tenants, pipelines, deals, names and
-- starts of windows
insert into funnelproof.repair_action (
    repair_id, number, kind, faults, tenant_id, pipeline_id, deal_id, window_name, window_start
)
select
    $1,
    action.number,
    action.kind,
    string_to_array(action.faults, ','),
    action.tenant_id,
    action.pipeline_id,
    action.deal_id,
    action.window_name,
    action.window_start
from
    unnest($2::text[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[])
    with ordinality
        as action (kind, faults, tenant_id, pipeline_id, deal_id, window_name, window_start, number)
