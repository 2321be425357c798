-- The sealed window to prune next.
select
    sealed.window_name,
    sealed.window_start,
    sealed.window_end
from funnelproof.sealed_window as sealed
order by sealed.window_end, sealed.window_name
limit 1
