-- The resolved doubts that still concern the given windows. A reconciliation resolves a doubt after comparing the
-- closed windows; a window still open at that time was not compared. If the window began before the doubt was noted,
-- changes may be missing in the window. A former version resolved dead letters in the same way.
with
settled as (
    select
        doubt.reason,
        doubt.last_noted_at as noted_at,
        doubt.compared_at
    from funnelproof.doubt
    inner join funnelproof.epoch using (topic_id)
    inner join funnelproof.installation using (epoch)
    where doubt.compared_at is not null
    union all
    select
        'events could not be applied' as reason,
        max(letter.recorded_at) as noted_at,
        letter.compared_at
    from funnelproof.dead_letter as letter
    inner join funnelproof.epoch using (topic_id)
    inner join funnelproof.installation using (epoch)
    where letter.compared_at is not null
    group by letter.compared_at
)

select
    asked.window_name,
    asked.window_start,
    array_agg(distinct 'before the last reconciliation: ' || settled.reason) as reasons
from unnest($1::text[], $2::timestamptz[]) as asked (window_name, window_start)
inner join settled on asked.window_start < settled.noted_at
left join funnelproof.time_window as known using (window_name, window_start)
where coalesce(known.closed_at, 'infinity') > settled.compared_at
group by asked.window_name, asked.window_start
