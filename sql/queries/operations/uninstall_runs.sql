-- The number of facts; and whether any run, or any fact, is not funnelproof's.
with
other_run as (
    select run.id
    from dyno_crm.report_run as run
    where
        run.report_type <> 'STAGE_CONVERSION'
        or coalesce(run.parameters ->> 'origin', '') not in ('stream', 'canonical')
)

select
    (select count(*) from dyno_crm.report_stage_conversion_fact) as facts,
    exists(select from other_run) as has_other_runs,
    exists(
        select from dyno_crm.report_stage_conversion_fact as fact
        inner join other_run on fact.run_id = other_run.id
    ) as has_other_facts
