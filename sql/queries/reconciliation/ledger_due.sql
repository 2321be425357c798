-- The closed windows to compare now, each with the reason and the number of its runs: a window never compared, revised
-- since, not equal last time, or not compared since its first day is over. And the windows that were compared longest
-- ago, at least $1 ago: as many as make the round through all windows take $1, with a look every $2.
with
judged as (
    select
        closed.window_name,
        closed.window_start,
        compared.compared_at,
        case
            when compared.compared_at is null then 'new'
            when compared.revised_at >= compared.compared_at then 'revised'
            when compared.outcome <> 'equal' then compared.outcome
            when
                closed.closed_at <= clock_timestamp() - interval '1 day'
                and compared.compared_at < closed.closed_at + interval '1 day'
                then 'a day old'
            when compared.compared_at <= clock_timestamp() - $1::interval then 'in turn'
        end as reason
    from funnelproof.time_window as closed
    left join funnelproof.window_comparison as compared using (window_name, window_start, window_end)
    where
        closed.closed_at is not null
        and not exists (
            select from funnelproof.sealed
            where
                sealed.window_name = closed.window_name
                and closed.window_end <= sealed.sealed_until
        )
),

ranked as (
    select
        judged.*,
        row_number() over (
            partition by judged.reason
            order by judged.compared_at, judged.window_name, judged.window_start
        ) as place,
        count(*) over () as windows
    from judged
)

select
    ranked.window_name,
    ranked.window_start,
    greatest(1, (
        select count(*)
        from funnelproof.window_run as run
        where run.window_name = ranked.window_name and run.window_start = ranked.window_start
    )) as runs,
    ranked.reason
from ranked
where
    ranked.reason is not null
    and (
        ranked.reason <> 'in turn'
        or ranked.place <= ceil(
            ranked.windows * extract(epoch from $2::interval) / extract(epoch from $1::interval)
        )
    )
order by ranked.window_name, ranked.window_start
