-- Records the pairs of stages that differ. A count is null if its side, fact or canonical SQL, lacks the pair.
insert into funnelproof.difference (
    reconciliation_id, tenant_id, pipeline_id, window_name, window_start, run_id, from_stage_id, to_stage_id,
    fact_entered, fact_converted, sql_entered, sql_converted
)
select
    $1,
    found.*
from unnest(
    $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::uuid[], $7::uuid[], $8::uuid[], $9::bigint[],
    $10::bigint[], $11::bigint[], $12::bigint[]
) as found
