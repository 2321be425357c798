-- The open windows of a kind and a tiling that have begun by the source's clock, the newest first.
select
    open_window.window_start,
    open_window.window_end,
    open_window.window_end <= pulse.source_time as has_ended
from funnelproof.web_open_window as open_window
cross join funnelproof.web_pulse as pulse
where
    open_window.window_name = $1
    and $2 = any(open_window.tilings)
    and open_window.window_start <= coalesce(pulse.source_time, 'infinity')
order by open_window.window_start desc
