-- Registers windows that have counts or hold the present time. A window keeps the list of the tilings that contain the
-- window, for example a UTC day and a tenant's day in Asia/Tokyo are windows of different tilings.
insert into funnelproof.time_window as known (window_name, window_start, window_end, tilings)
select
    told.window_name,
    told.window_start,
    told.window_end,
    array_agg(told.tiling order by told.tiling)
from
    unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[])
        as told (window_name, window_start, window_end, tiling)
group by told.window_name, told.window_start, told.window_end
order by told.window_name, told.window_start, told.window_end
on conflict (window_name, window_start, window_end) do update
    set tilings = known.tilings || excluded.tilings
    where not excluded.tilings <@ known.tilings
