-- Deletes a sealed window's entry, after the window's counts and runs are gone.
delete from funnelproof.sealed_window as sealed
where sealed.window_name = $1 and sealed.window_start = $2 and sealed.window_end = $3
