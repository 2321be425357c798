-- Which windows of these kinds are closed already, among those that end in a span.
select
    closed.window_name,
    closed.window_start,
    closed.window_end
from funnelproof.time_window as closed
where
    closed.window_name = any($1::text[])
    and closed.closed_at is not null
    and closed.window_end > $2
    and closed.window_end <= $3
