-- Open windows that have begun at $1, the source's clock, the oldest end first. `total` and `overdue` count all open windows:
-- an overdue window ended by $2. $3 the most windows
select
    open_window.window_name,
    open_window.window_start,
    open_window.window_end,
    open_window.window_end <= $1 as has_ended,
    open_window.window_end <= $2 as is_overdue,
    count(*) over () as total,
    count(*) filter (where open_window.window_end <= $2) over () as overdue
from funnelproof.web_open_window as open_window
where open_window.window_start <= $1
order by open_window.window_end, open_window.window_name
limit $3
