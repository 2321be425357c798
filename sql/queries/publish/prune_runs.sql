-- Deletes at most $4 runs of a sealed window, with their facts.
delete from dyno_crm.report_run as header
where
    header.id in (
        select run.run_id
        from funnelproof.window_run as run
        where run.window_name = $1 and run.window_start = $2 and run.window_end = $3
        order by run.run_id
        limit $4
    )
