-- Sets sealed windows aside for pruning: a window set aside is neither live nor revised nor compared any more. Returns
-- the number of windows.
with
forgotten as (
    delete from funnelproof.time_window as known
    using funnelproof.sealed
    where known.window_name = sealed.window_name and known.window_end <= sealed.sealed_until
    returning known.window_name, known.window_start, known.window_end
),

set_aside as (
    insert into funnelproof.sealed_window (window_name, window_start, window_end)
    select forgotten.*
    from forgotten
    on conflict do nothing
)

select count(*) from forgotten
