-- Keeps a fact of a run: the canonical query's counts of a pair of stages.
insert into dyno_crm.report_stage_conversion_fact (
    run_id,
    tenant_id,
    pipeline_id,
    from_stage_id,
    to_stage_id,
    entered_count,
    converted_count,
    conversion_rate
)
values ($1, $2, $3, $4, $5, $6, $7, $8)
