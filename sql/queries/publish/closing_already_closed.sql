-- The closed windows among the given windows.
select
    closed.window_name,
    closed.window_start,
    closed.window_end
from funnelproof.time_window as closed
inner join
    unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as due (window_name, window_start, window_end)
    using (window_name, window_start, window_end)
where closed.closed_at is not null
