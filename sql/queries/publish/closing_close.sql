-- Closes windows, in the transaction that publishes their runs.
insert into funnelproof.time_window as known (window_name, window_start, window_end, closed_at)
select
    due.window_name,
    due.window_start,
    due.window_end,
    clock_timestamp()
from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as due (window_name, window_start, window_end)
order by due.window_name, due.window_start
on conflict (window_name, window_start, window_end) do update set closed_at = excluded.closed_at
