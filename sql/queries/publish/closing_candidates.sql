-- Touched windows whose changes were collected for long enough ($1), each with the run that a revision would follow; at
-- most $2. Windows touched by changed counts come first, windows of a `revise` request after them. Windows of a kind
-- that the epoch does not count stay touched; so do all windows while the log is in doubt.
select
    touched.tenant_id::text,
    touched.pipeline_id::text,
    touched.window_name,
    touched.window_start,
    touched.window_end,
    touched.present_pairs,
    touched.repair_id is not null as is_repair,
    coalesce(latest.revision, 0) + 1 as revision,
    latest.run_id as previous_run_id
from funnelproof.touched_window as touched
left join lateral (
    select
        run.revision,
        run.run_id
    from funnelproof.window_run as run
    where
        run.tenant_id = touched.tenant_id
        and run.pipeline_id = touched.pipeline_id
        and run.window_name = touched.window_name
        and run.window_start = touched.window_start
    order by run.revision desc
    limit 1
) as latest on true
where
    touched.touched_at <= clock_timestamp() - $1::interval
    and touched.window_name = any(array(
        select unnest(epoch.windows)
        from funnelproof.installation
        inner join funnelproof.epoch using (epoch)
    ))
    and not exists (select from funnelproof.log_in_doubt)
order by touched.present_pairs, touched.touched_at
limit $2
