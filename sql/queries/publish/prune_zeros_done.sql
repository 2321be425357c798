-- Notes that the zero rows of a window are gone.
update funnelproof.time_window
set zeros_pruned = true
where time_window.window_name = $1 and time_window.window_start = $2 and time_window.window_end = $3
