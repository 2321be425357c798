-- Which of these windows another closer was faster with.
select
    closed.window_name,
    closed.window_start
from funnelproof.time_window as closed
inner join unnest($1::text[], $2::timestamptz[]) as due (window_name, window_start)
    using (window_name, window_start)
where closed.closed_at is not null
