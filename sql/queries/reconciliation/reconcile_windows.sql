-- The starts of the closed windows in scope, in order, each with the number of runs of the windows with that start. Every
-- tenant counts as a run at least: its windows are looked through for entries without a run.
with
tenants as (
    select count(distinct stage.tenant_id) as tenants
    from funnelproof.pipeline_stage as stage
)

select
    closed.window_name,
    closed.window_start,
    greatest(
        tenants.tenants,
        (
            select count(*)
            from funnelproof.window_run as run
            where run.window_name = closed.window_name and run.window_start = closed.window_start
        )
    ) as runs
from funnelproof.time_window as closed
cross join tenants
where
    closed.closed_at is not null
    and ($1::text is null or closed.window_name = $1)
    and ($2::timestamptz is null or closed.window_start >= $2)
    and ($3::timestamptz is null or closed.window_end <= $3)
group by closed.window_name, closed.window_start, tenants.tenants
order by closed.window_name, closed.window_start
