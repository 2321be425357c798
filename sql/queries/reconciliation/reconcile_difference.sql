-- Records a pair of stages that differs. A count is null if its side, fact or canonical SQL, lacks the pair.
insert into funnelproof.difference (
    reconciliation_id, tenant_id, pipeline_id, window_name, window_start, run_id, from_stage_id, to_stage_id,
    fact_entered, fact_converted, sql_entered, sql_converted
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
