-- The closed windows of the given kinds that end in a span. $1 kinds, $2 after, $3 until
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
