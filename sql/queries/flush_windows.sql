-- Makes windows known that counts refer to.
insert into funnelproof.time_window (window_name, window_start, window_end)
select * from unnest($1::text[], $2::timestamptz[], $3::timestamptz[])
order by 1, 2
on conflict (window_name, window_start) do nothing
