-- Deletes at most $4 runs of a window whose counts are all zero. The pipeline has no entry in the window, and the run
-- was never revised.
delete from dyno_crm.report_run as header
where
    header.id in (
        select run.run_id
        from funnelproof.window_run as run
        where
            run.window_name = $1
            and run.window_start = $2
            and run.window_end = $3
            and run.revision = 1
            and not exists (
                select
                from dyno_crm.report_stage_conversion_fact as fact
                where fact.run_id = run.run_id and fact.entered_count > 0
            )
            and not exists (
                select
                from funnelproof.window_run as later
                where
                    later.tenant_id = run.tenant_id
                    and later.pipeline_id = run.pipeline_id
                    and later.window_name = run.window_name
                    and later.window_start = run.window_start
                    and later.revision > 1
            )
            and not exists (
                select
                from funnelproof.installation
                inner join funnelproof.partial using (epoch)
                where
                    partial.window_start = run.window_start
                    and partial.window_name = run.window_name
                    and partial.tenant_id = run.tenant_id
                    and partial.pipeline_id = run.pipeline_id
                    and partial.deals > 0
            )
        order by run.run_id
        limit $4
    )
