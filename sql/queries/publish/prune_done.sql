-- Forgets a sealed window of which nothing is left.
delete from funnelproof.sealed_window as sealed
where sealed.window_name = $1 and sealed.window_start = $2 and sealed.window_end = $3
