-- Registers windows that have counts or hold the present time, each with the tilings that contain the window. For
-- example, an hour belongs to the tilings of UTC and of Asia/Tokyo; a day belongs to only one of the two.
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
