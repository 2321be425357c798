-- The starts of the closed windows in scope, in order, each with the number of runs of the windows with that start.
select
    closed.window_name,
    closed.window_start,
    max(closed.window_end) as window_end,
    (
        select count(*)
        from funnelproof.window_run as run
        where run.window_name = closed.window_name and run.window_start = closed.window_start
    ) as runs
from funnelproof.time_window as closed
where
    closed.closed_at is not null
    and ($1::text is null or closed.window_name = $1)
    and ($2::timestamptz is null or closed.window_start >= $2)
    and ($3::timestamptz is null or closed.window_end <= $3)
group by closed.window_name, closed.window_start
order by closed.window_name, closed.window_start
