-- Deletes the runs of funnelproof, streamed or canonical, with their facts.
delete from dyno_crm.report_run
where
    report_type = 'STAGE_CONVERSION'
    and parameters ->> 'origin' in ('stream', 'canonical')
