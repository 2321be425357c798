-- A run of the canonical report begins, by the report database's clock.
-- $1 run_id, $2 tenant_id, $3 period_start, $4 period_end, $5 parameters (JSON text)
insert into dyno_crm.report_run (
    id, tenant_id, report_type, generated_at, period_start, period_end, parameters, status
)
values ($1, $2, 'STAGE_CONVERSION', now(), $3, $4, $5::text::jsonb, 'RUNNING')
