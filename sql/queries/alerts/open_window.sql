-- The oldest open window of a kind and tiling that starts after an instant. $1 kind, $2 tiling, $3 instant
select
    known.window_start,
    known.window_end
from funnelproof.open_window as known
where known.window_name = $1 and $2 = any(known.tilings) and known.window_start > $3
order by known.window_start
limit 1
