-- From when to when the closed windows of a kind reach.
select
    min(closed.window_start) as window_start,
    max(closed.window_end) as window_end,
    count(*) as windows
from funnelproof.time_window as closed
where closed.closed_at is not null and closed.window_name = $1
