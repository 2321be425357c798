-- The median and the longest time, in seconds, from a window's end to its closing, for windows that ended after $1.
with
closed as (
    select
        extract(epoch from time_window.closed_at - time_window.window_end)::double precision
            as seconds
    from funnelproof.time_window
    where time_window.closed_at is not null and time_window.window_end > $1
)

select
    percentile_cont(0.5) within group (order by closed.seconds) as median,
    max(closed.seconds) as slowest
from closed
