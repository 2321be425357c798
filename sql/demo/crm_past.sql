-- The time by the database's clock, and whether the simulated CRM has rows already.
select
    clock_timestamp() as now,
    exists(select from dyno_crm.deal_pipeline_stage_state) as has_past
